//! `make run`: the image, booted, with something behind it.
//!
//! The unit is a QEMU machine on an overlay of the image, so each run begins as a unit does that was never
//! switched on before; `--keep` goes on with the disk of the last run. It is told about its two servers by a
//! first-configuration medium, as any unit can be. Ctrl-C reaches QEMU as well as this program; should this
//! program die in another way, QEMU and the demo servers die with it.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use evener_lab::http::{Connection, Request};
use evener_lab::{Forward, Machine, Unit, config_medium, overlay};

use crate::paths::Paths;
use crate::setup::{self, Needs};
use crate::steps::Journal;
use crate::{demo, suite};

const PAGES: Forward = Forward { guest: 8443 };
const SERVICE: Forward = Forward { guest: 80 };
/// The host as a unit behind QEMU's router sees it.
const HOST_SEEN_BY_UNIT: &str = "10.0.2.2";
/// From power-on to the first answer of the service; far more than an emulated unit needs.
const ANSWER_WITHIN: Duration = Duration::from_secs(180);
/// How long one attempt to reach the service may take.
const ATTEMPT: Duration = Duration::from_secs(1);

/// Builds, boots, and stays until the unit is switched off or Ctrl-C.
pub(crate) fn run(journal: &mut Journal, paths: &Paths, arguments: &[String]) -> Result<()> {
    let keep = match arguments {
        [] => false,
        [only] if only == "--keep" => true,
        _ => bail!("usage: make run [ARGS=--keep]"),
    };
    setup::prepare(journal, Needs::Run)?;
    suite::image(journal, paths, &[])?;
    let ports = demo::start()?;
    journal.say("booting the unit (serial log: out/run/serial.log)");
    let mut unit = boot(paths, &ports, keep)?;
    let service = unit.forwarded(SERVICE)?;
    let pages = unit.forwarded(PAGES)?;
    wait_for_answer(journal, &unit, service)?;
    tell(journal, &unit, service, pages);
    while unit.is_on() {
        // A day; the loop is for whoever lets it run for longer.
        if unit.wait_off(Duration::from_secs(86_400)).is_ok() {
            journal.say("the unit has switched itself off");
        }
    }
    Ok(())
}

fn boot(paths: &Paths, ports: &[u16], keep: bool) -> Result<Unit> {
    let folder = paths.out().join("run");
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let disk = folder.join("disk.qcow2");
    if !(keep && disk.exists()) {
        overlay(&paths.out().join("evener-qemu.qcow2"), &disk, None)?;
    }
    let medium = config_medium(&folder, &first_configuration(ports))?;
    start(&disk, &medium, &folder)
}

fn start(disk: &Path, medium: &Path, folder: &Path) -> Result<Unit> {
    Machine::new("evener", disk, &folder.join("serial.log"))
        .user_network(&[SERVICE, PAGES])
        .medium(medium)
        .start()
}

/// One service on port 80 of the unit's own address, with a real server on each port of this host.
fn first_configuration(ports: &[u16]) -> String {
    let mut text = String::from(
        "hostname = \"evener-demo\"\n\n\
         [[interfaces]]\nname = \"eth0\"\n\n\
         [[virtual_services]]\nname = \"demo\"\naddress = { own = \"eth0\" }\nport = 80\n",
    );
    for port in ports {
        text.push_str(&format!(
            "\n[[virtual_services.real_servers]]\naddress = \"{HOST_SEEN_BY_UNIT}\"\nport = {port}\n"
        ));
    }
    text
}

fn wait_for_answer(journal: &Journal, unit: &Unit, service: SocketAddr) -> Result<()> {
    let start = Instant::now();
    let mut told = start;
    while start.elapsed() < ANSWER_WITHIN {
        if !unit.is_on() {
            bail!("QEMU ended; what the unit said is in out/run/serial.log");
        }
        if answers(service).is_ok_and(|good| good) {
            return Ok(());
        }
        if told.elapsed() > Duration::from_secs(10) {
            journal.say("  … waiting for the demo service to answer");
            told = Instant::now();
        }
        // QEMU's router takes connections before the unit does, and ends them at once.
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("the demo service did not answer within {ANSWER_WITHIN:?}; see out/run/serial.log")
}

fn answers(service: SocketAddr) -> Result<bool> {
    let stream = TcpStream::connect_timeout(&service, ATTEMPT)?;
    stream.set_read_timeout(Some(ATTEMPT))?;
    let answer = Connection::new(stream).exchange(&Request::new("GET", "demo", "/"))?;
    Ok(answer.status == 200)
}

fn tell(journal: &Journal, unit: &Unit, service: SocketAddr, pages: SocketAddr) {
    journal.say("the unit is up");
    let password = evener_lab::first_password(unit.serial(), Duration::from_secs(10));
    println!();
    println!("  demo service    http://{service}/   (two servers behind it: load it again and again)");
    println!("  administration  https://{pages}/   (its certificate is its own: the browser will ask)");
    match password {
        Ok(password) => println!("  log in as       bal, first password {password}"),
        Err(_) => println!("  log in as       bal, with the password that you chose"),
    }
    println!("  stop            Ctrl-C here, or System > Power off there");
    println!();
}

//! The service over real sockets and a real directory, with a test in init's place.

use super::*;
use evener_api::init;
use evener_api::log::{Found, Level, Line, Lines, Search};
use evener_syslog::Facility;
use evener_syslog_send::{Target, Transport};
use std::sync::{Arc, Mutex};
use tokio::task::JoinHandle;

/// Init as log sees it: hands over what it has, and remembers what it was asked for.
#[derive(Clone, Debug, Default)]
struct Init {
    lines: Arc<Mutex<Vec<Line>>>,
    asked: Arc<Mutex<Vec<u64>>>,
}

impl Init {
    fn serve(&self, run: &std::path::Path) -> JoinHandle<()> {
        let (listener, own) = (Listener::bind(run, Service::Init).unwrap(), self.clone());
        tokio::spawn(listener.serve(move |mut connection| {
            let own = own.clone();
            async move {
                let Some(init::Request::FollowLog(mut after)) = connection.receive().await? else {
                    return Ok(());
                };
                own.asked.lock().unwrap().push(after);
                loop {
                    let lines: Vec<Line> = own
                        .lines
                        .lock()
                        .unwrap()
                        .iter()
                        .filter(|line| line.number > after)
                        .cloned()
                        .collect();
                    if let Some(last) = lines.last() {
                        after = last.number;
                        let lost = if lines[0].number == 100 { 7 } else { 0 };
                        connection.answer(&Lines { lost, lines }).await?;
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }))
    }

    fn say(&self, number: u64, service: Service, level: Level, text: &str) {
        let line = Line {
            number,
            unix_ms: 1_700_000_000_000 + number,
            since_boot_ms: number,
            service,
            level,
            text: text.to_owned(),
        };
        self.lines.lock().unwrap().push(line);
    }
}

/// Runs log until `done` resolves; it is told to stop in good order by dropping the future it waits for.
async fn log_until<T>(dirs: &Dirs, done: impl Future<Output = T>) -> T {
    let (lifeline, _) = Lifeline::start().await.unwrap();
    tokio::select! {
        outcome = operate(dirs.clone(), &lifeline) => panic!("it ended: {outcome:?}"),
        value = done => value,
    }
}

async fn search(dirs: &Dirs, search: Search) -> Option<Found> {
    match evener_ipc::call(&dirs.run, Service::Log, &Request::Search(search)).await.ok()? {
        Reply::Found(found) => Some(found),
        // The life before this one, whose socket is still there for a moment.
        Reply::Failed(reason) if reason == "log is stopping" => None,
        other => panic!("{other:?}"),
    }
}

/// All texts, once there are so many.
async fn texts(dirs: &Dirs, count: usize) -> Vec<String> {
    let all = Search { most: 1000, oldest_first: true, ..Search::default() };
    let found = async {
        loop {
            match search(dirs, all.clone()).await {
                Some(found) if found.records.len() >= count => return found,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(20), found).await.expect("the lines arrive");
    found.records.into_iter().map(|record| format!("{} {}", record.service, record.text)).collect()
}

fn dirs(root: &tempfile::TempDir) -> Dirs {
    let dirs = Dirs { run: root.path().join("run"), data: root.path().join("data") };
    std::fs::create_dir(&dirs.run).unwrap();
    std::fs::create_dir_all(dirs.data.join("log")).unwrap();
    dirs
}

#[tokio::test]
async fn a_life_that_was_killed_lost_no_line_and_no_line_is_there_twice() {
    let root = tempfile::tempdir().unwrap();
    let dirs = dirs(&root);
    let init = Init::default();
    let _serving = init.serve(&dirs.run);
    init.say(100, Service::Net, Level::Info, "one");
    // Grave, so it is on the disk before long; what came before goes with it.
    init.say(101, Service::Proxy, Level::Error, "two");
    let segment = dirs.data.join("log/lines/00000000000000000001.log");
    log_until(&dirs, async {
        assert_eq!(texts(&dirs, 3).await.len(), 3);
        let written = async {
            while !std::fs::read_to_string(&segment).unwrap_or_default().contains("two\n") {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), written).await.expect("an error is written soon");
        init.say(102, Service::Web, Level::Info, "three");
        assert_eq!(texts(&dirs, 4).await.len(), 4, "one that waits is found");
    })
    .await;
    assert!(!std::fs::read_to_string(&segment).unwrap().contains("three"), "nothing is written for one line");
    let all = log_until(&dirs, texts(&dirs, 4)).await;
    let lost = "log 7 lines before this one came faster than they could be kept, and are lost";
    assert_eq!(all, [lost, "net one", "proxy two", "web three"]);
    assert_eq!(*init.asked.lock().unwrap(), [0, 101], "it asks for what its disk does not have");
}

#[tokio::test]
async fn a_disk_that_takes_nothing_costs_the_log_and_not_the_service() {
    let root = tempfile::tempdir().unwrap();
    let dirs = dirs(&root);
    std::fs::remove_dir(dirs.data.join("log")).unwrap();
    std::fs::write(dirs.data.join("log"), "in the way").unwrap();
    let init = Init::default();
    let _serving = init.serve(&dirs.run);
    init.say(1, Service::Net, Level::Info, "one");
    let reply = log_until(&dirs, async {
        loop {
            let asked = Request::Search(Search::default());
            if let Ok(reply) = evener_ipc::call::<_, Reply>(&dirs.run, Service::Log, &asked).await {
                return reply;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert!(matches!(&reply, Reply::Failed(reason) if reason.contains("could not be opened")), "{reply:?}");
}

#[tokio::test]
async fn what_is_kept_is_sent_to_syslog_servers_too_and_with_a_broken_disk_as_well() {
    let server = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let target = Target {
        address: server.local_addr().unwrap(),
        transport: Transport::Udp,
        level: Level::Info,
        facility: Facility::DAEMON,
    };
    let mut senders = Senders::default();
    senders.set(Settings { hostname: String::from("lb-1"), targets: vec![target] });
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("broken"), "in the way").unwrap();
    for folder in ["whole", "broken"] {
        let mut keeper = Keeper::open(&root.path().join(folder)).await;
        let init = Init::default();
        init.say(7, Service::Net, Level::Info, folder);
        take(&mut keeper, &senders, Lines { lost: 0, lines: init.lines.lock().unwrap().clone() });
        let mut buffer = [0; 500];
        let received = tokio::time::timeout(Duration::from_secs(20), server.recv(&mut buffer));
        let length = received.await.expect("it is sent").unwrap();
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        assert!(
            text.starts_with("<30>1 ") && text.contains(" lb-1 net - - ") && text.ends_with(folder),
            "{text}"
        );
    }
}

//! The menu by SSH, with a real client over a pipe in memory.

use crate::fake::{Fake, PASSWORD};
use evener_console::{HostKey, PublicKeys, Ssh, Unit};
use russh::client::{self, AuthResult, Handle, Msg};
use russh::keys::{Algorithm, PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{Channel, ChannelMsg, Disconnect};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, DuplexStream, duplex};

const PATIENCE: Duration = Duration::from_secs(30);
const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 100));

/// What a client was told.
#[derive(Clone, Debug, Default)]
struct Told(Arc<Mutex<String>>);

struct Client {
    host_key: String,
    told: Told,
}

impl client::Handler for Client {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = key else { return Ok(false) };
        Ok(key.to_openssh().unwrap() == self.host_key)
    }

    async fn auth_banner(&mut self, banner: &str, _: &mut client::Session) -> Result<(), Self::Error> {
        self.told.0.lock().unwrap().push_str(banner);
        Ok(())
    }
}

struct Bench {
    fake: Arc<Fake>,
    ssh: Ssh,
    host_key: String,
    _data: tempfile::TempDir,
}

impl Bench {
    async fn new(must_change_password: bool, keys: PublicKeys) -> Self {
        let fake = Fake::start(must_change_password, None);
        let data = tempfile::tempdir().unwrap();
        let host_key = HostKey::load_or_make(data.path()).unwrap();
        let unit = Arc::new(Unit::new(fake.run.path()).unwrap());
        let public = host_key.public();
        let ssh = Ssh::new(unit, host_key, keys);
        // Until control has said who the users are nobody gets in.
        fake.config.send_modify(|_| {});
        tokio::time::timeout(PATIENCE, async {
            while fake.config.receiver_count() == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
        Self { fake, ssh, host_key: public, _data: data }
    }

    /// The client's end of a connection that is served.
    fn plug_in(&self, source: IpAddr) -> DuplexStream {
        let (ours, theirs) = duplex(64 * 1024);
        let ssh = self.ssh.clone();
        tokio::spawn(async move { ssh.serve(theirs, source).await });
        ours
    }

    async fn connect(&self) -> (Handle<Client>, Told) {
        let told = Told::default();
        let client = Client { host_key: self.host_key.clone(), told: told.clone() };
        let stream = self.plug_in(SOURCE);
        let connected = client::connect_stream(Arc::default(), stream, client);
        (tokio::time::timeout(PATIENCE, connected).await.unwrap().unwrap(), told)
    }

    /// Somebody who is logged in.
    async fn inside(&self) -> Handle<Client> {
        let (mut client, _) = self.connect().await;
        loop {
            // The first may be too early for the unit.
            if client.authenticate_password("bal", PASSWORD).await.unwrap().success() {
                return client;
            }
            client = self.connect().await.0;
        }
    }

    async fn menu(&self, client: &Handle<Client>) -> Channel<Msg> {
        let channel = client.channel_open_session().await.unwrap();
        channel.request_pty(true, "vt100", 80, 24, 0, 0, &[]).await.unwrap();
        channel.request_shell(true).await.unwrap();
        channel
    }
}

/// What is shown until these words.
async fn sees(channel: &mut Channel<Msg>, words: &str) -> String {
    let mut shown = String::new();
    let read = async {
        while !shown.contains(words) {
            match channel.wait().await {
                Some(ChannelMsg::Data { data }) => shown.push_str(&String::from_utf8_lossy(&data)),
                Some(_) => {}
                None => break,
            }
        }
    };
    tokio::time::timeout(PATIENCE, read).await.unwrap_or_else(|_| panic!("{words:?} does not come"));
    assert!(shown.contains(words), "{words:?} is not in {shown}");
    shown
}

async fn types(channel: &Channel<Msg>, keys: &str) {
    channel.data(keys.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn the_right_password_opens_the_menu_and_logging_out_ends_the_connection() {
    let bench = Bench::new(false, PublicKeys::default()).await;
    let client = bench.inside().await;
    let mut channel = bench.menu(&client).await;
    sees(&mut channel, "Choose: ").await;
    types(&channel, "1\r").await;
    sees(&mut channel, "the disk is nearly full").await;
    types(&channel, "\r").await;
    sees(&mut channel, "Choose: ").await;
    types(&channel, "2\r").await;
    sees(&mut channel, "Interface [eth0]: ").await;
    for keys in ["\r", "\r", "\r", "\r", "lb-ssh\r", "yes\r"] {
        types(&channel, keys).await;
        sees(&mut channel, ": ").await;
    }
    assert_eq!(bench.fake.config.borrow().config.unit.hostname, "lb-ssh");
    types(&channel, "\r").await;
    sees(&mut channel, "Choose: ").await;
    types(&channel, "0\r").await;
    sees(&mut channel, "Logged out.").await;
    let ended = tokio::time::timeout(PATIENCE, async { while channel.wait().await.is_some() {} });
    ended.await.unwrap();
    tokio::time::timeout(PATIENCE, client).await.unwrap().unwrap_err_or_end();
}

/// A connection that was ended by the unit: in order, or with its words.
trait Ended {
    fn unwrap_err_or_end(self);
}

impl Ended for Result<(), russh::Error> {
    fn unwrap_err_or_end(self) {
        assert!(matches!(self, Ok(()) | Err(russh::Error::Disconnect)), "{self:?}");
    }
}

#[tokio::test]
async fn ssh_is_refused_until_the_first_password_was_changed_and_says_so() {
    let bench = Bench::new(true, PublicKeys::default()).await;
    for password in [PASSWORD, "wrong"] {
        let (mut client, told) = bench.connect().await;
        let answer = client.authenticate_password("bal", password).await.unwrap();
        assert!(matches!(answer, AuthResult::Failure { .. }), "{answer:?}");
        let told = told.0.lock().unwrap().clone();
        assert!(told.contains("still has its first password") && told.contains("refused"), "{told}");
    }
    bench.fake.sets_password(PASSWORD);
    let client = bench.inside().await;
    sees(&mut bench.menu(&client).await, "Choose: ").await;
}

#[tokio::test]
async fn there_is_no_shell_no_command_no_file_and_no_forwarding() {
    let bench = Bench::new(false, PublicKeys::default()).await;
    let client = bench.inside().await;
    let mut channel = client.channel_open_session().await.unwrap();
    channel.exec(true, "sh -c id").await.unwrap();
    let mut answers = Vec::new();
    while answers.len() < 2 {
        match tokio::time::timeout(PATIENCE, channel.wait()).await.unwrap() {
            Some(ChannelMsg::ExtendedData { data, ext: 1 }) => {
                answers.push(String::from_utf8_lossy(&data).into_owned());
            }
            Some(ChannelMsg::Failure) => answers.push("failure".into()),
            Some(ChannelMsg::WindowAdjusted { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    answers.sort();
    assert!(answers[0].contains("There is no shell here") && answers[1] == "failure", "{answers:?}");
    for subsystem in ["sftp", "netconf"] {
        channel.request_subsystem(true, subsystem).await.unwrap();
        let answer = tokio::time::timeout(PATIENCE, channel.wait()).await.unwrap();
        assert!(matches!(answer, Some(ChannelMsg::Failure)), "{subsystem}: {answer:?}");
    }
    assert!(client.channel_open_session().await.is_err(), "one channel a connection");
    assert!(client.channel_open_direct_tcpip("192.0.2.1", 80, "192.0.2.2", 4000).await.is_err());
    assert!(client.channel_open_direct_streamlocal("/run/evener/control.sock").await.is_err());
    assert!(client.tcpip_forward("0.0.0.0", 8080).await.is_err());
    assert!(client.streamlocal_forward("/tmp/socket").await.is_err());
}

#[tokio::test]
async fn a_password_cannot_be_reset_from_elsewhere() {
    let bench = Bench::new(false, PublicKeys::default()).await;
    let (mut client, _) = bench.connect().await;
    let answer = client.authenticate_password("pwreset", "reset password").await.unwrap();
    assert!(!answer.success());
    let client = bench.inside().await;
    let mut channel = bench.menu(&client).await;
    sees(&mut channel, "Choose: ").await;
    types(&channel, "pwreset\r").await;
    sees(&mut channel, "There is no such entry").await;
    assert!(bench.fake.changes.lock().unwrap().is_empty());
}

#[tokio::test]
async fn wrong_passwords_end_the_connection_and_then_none_is_looked_at() {
    let bench = Bench::new(false, PublicKeys::default()).await;
    drop(bench.inside().await);
    let mut tries = 0;
    let refused = loop {
        let (mut client, _) = bench.connect().await;
        for of_connection in 1..=4 {
            match client.authenticate_password("bal", "wrong").await {
                Ok(AuthResult::Failure { remaining_methods, .. }) => {
                    tries += 1;
                    if remaining_methods.is_empty() {
                        break;
                    }
                }
                other => panic!("{other:?}"),
            }
            assert!(of_connection < 4, "a connection has three tries");
        }
        if tries >= 6 {
            break bench.connect().await.0.authenticate_password("bal", PASSWORD).await.unwrap();
        }
    };
    assert!(!refused.success(), "after so many the right one has to wait, too");
}

#[tokio::test]
async fn a_public_key_opens_the_menu_and_another_one_does_not() {
    let mut random = russh::keys::key::safe_rng();
    let known = PrivateKey::random(&mut random, Algorithm::Ed25519).unwrap();
    let other = PrivateKey::random(&mut random, Algorithm::Ed25519).unwrap();
    let line = known.public_key().to_openssh().unwrap();
    let keys = PublicKeys::parse([("bal", line.as_str())]).unwrap();
    let bench = Bench::new(false, keys).await;
    drop(bench.inside().await);
    for (user, key, opens) in [("bal", &known, true), ("bal", &other, false), ("root", &known, false)] {
        let (mut client, _) = bench.connect().await;
        let key = PrivateKeyWithHashAlg::new(Arc::new(key.clone()), None);
        let answer = client.authenticate_publickey(user, key).await.unwrap();
        assert_eq!(answer.success(), opens, "{user}");
        if opens {
            sees(&mut bench.menu(&client).await, "Choose: ").await;
        }
    }
    assert!(PublicKeys::parse([("bal", "ssh-rsa rubbish")]).is_err());
}

#[tokio::test]
async fn one_source_has_few_connections_at_a_time() {
    let bench = Bench::new(false, PublicKeys::default()).await;
    let mut inside = Vec::new();
    for _ in 0..4 {
        inside.push(bench.inside().await);
    }
    let mut one_too_many = bench.plug_in(SOURCE);
    let mut nothing = Vec::new();
    tokio::time::timeout(PATIENCE, one_too_many.read_to_end(&mut nothing)).await.unwrap().unwrap();
    assert_eq!(nothing, b"", "it is hung up on");
    let elsewhere = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 101));
    let mut greeting = [0; 14];
    bench.plug_in(elsewhere).read_exact(&mut greeting).await.unwrap();
    assert_eq!(&greeting, b"SSH-2.0-Evener", "and it says no version");
    for client in inside {
        client.disconnect(Disconnect::ByApplication, "", "").await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_log_in_within_a_minute_is_hung_up_on() {
    let bench = Bench::new(false, PublicKeys::default()).await;
    let mut silent = bench.plug_in(SOURCE);
    let begin = tokio::time::Instant::now();
    let mut said = Vec::new();
    silent.read_to_end(&mut said).await.unwrap();
    assert!(said.starts_with(b"SSH-2.0-Evener"));
    let (client, _) = bench.connect().await;
    // What the client makes of the end in the middle of a log-in is its own business.
    let _ = client.await;
    let passed = begin.elapsed();
    assert!((Duration::from_secs(119)..Duration::from_secs(140)).contains(&passed), "{passed:?}");
    assert_eq!(bench.ssh.connected(), 0);
}

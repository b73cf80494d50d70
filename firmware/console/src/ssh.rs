//! Connections by SSH: what is offered, how long a log-in may take, how one ends.
//!
//! Only what is needed and nothing old: key exchange by ML-KEM with X25519 or X25519 alone, ChaCha20-Poly1305 or AES-256-GCM,
//! Ed25519 for the host. One channel a connection, with the menu on it; no shell, no command, no forwarding, no files.

use crate::connections::{Connections, Place};
use crate::gate::Who;
use crate::handler::Client;
use crate::host_key::HostKey;
use crate::unit::Unit;
use evener_throttle::Throttle;
use russh::keys::{Algorithm, PublicKey};
use russh::server::{self, run_stream};
use russh::{Disconnect, MethodKind, MethodSet, Preferred, SshId, cipher, compression, kex, mac};
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

/// Time that a log-in may take, key exchange and typing together.
const LOGIN_WITHIN: Duration = Duration::from_secs(60);
/// Time that the end of a connection may take.
const END_WITHIN: Duration = Duration::from_secs(5);
/// So often a silent client is asked whether it is still there; it is gone after the third time. Not before a log-in has to
/// be over: a client that is asked in the middle of one, while its user looks for the password, ends the connection.
const ALIVE_EVERY: Duration = Duration::from_secs(75);
/// Tries to log in on one connection, keys and passwords together; of passwords [`WRONG_PASSWORDS`](crate::handler).
const TRIES: usize = 6;
/// A wrong password is answered after this time.
const WRONG_AFTER: Duration = Duration::from_secs(1);

const KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::EXTENSION_SUPPORT_AS_SERVER,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
];
const CIPHERS: &[cipher::Name] = &[cipher::CHACHA20_POLY1305, cipher::AES_256_GCM];
// Both ciphers bring their own; the protocol wants a name all the same.
const MACS: &[mac::Name] = &[mac::HMAC_SHA256_ETM, mac::HMAC_SHA512_ETM];
const COMPRESSIONS: &[compression::Name] = &[compression::NONE];

/// Who may log in with which key, beside the password.
#[derive(Clone, Debug, Default)]
pub struct PublicKeys(Vec<(String, PublicKey)>);

impl PublicKeys {
    /// Users and their keys, each a line as in an `authorized_keys` file without options.
    ///
    /// # Errors
    /// The first line that is no public key.
    pub fn parse<'a>(lines: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, String> {
        let parse = |(user, line): (&str, &'a str)| match PublicKey::from_openssh(line) {
            Ok(key) => Ok((user.to_owned(), key)),
            Err(error) => Err(format!("the public key of {user} cannot be read: {error}")),
        };
        Ok(Self(lines.into_iter().map(parse).collect::<Result<_, _>>()?))
    }

    /// Whether this is a key of that user.
    pub(crate) fn has(&self, user: &str, key: &PublicKey) -> bool {
        self.0.iter().any(|(owner, own)| owner == user && own.key_data() == key.key_data())
    }
}

/// The menu over SSH. Cheap to clone.
#[derive(Clone)]
pub struct Ssh {
    unit: Arc<Unit>,
    config: Arc<server::Config>,
    fingerprint: String,
    keys: Arc<PublicKeys>,
    throttle: Arc<Mutex<Throttle>>,
    connections: Connections,
}

impl std::fmt::Debug for Ssh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ssh").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

impl Ssh {
    /// Nobody is connected yet.
    #[must_use]
    pub fn new(unit: Arc<Unit>, host_key: HostKey, keys: PublicKeys) -> Self {
        let fingerprint = host_key.fingerprint();
        tracing::info!(fingerprint, "SSH host key");
        let config = server::Config {
            // Which version of what this is, is nobody's business before the log-in.
            server_id: SshId::Standard(Cow::Borrowed("SSH-2.0-Evener")),
            methods: MethodSet::from([MethodKind::PublicKey, MethodKind::Password].as_slice()),
            auth_rejection_time: WRONG_AFTER,
            auth_rejection_time_initial: Some(Duration::ZERO),
            keys: vec![host_key.0],
            max_auth_attempts: TRIES,
            inactivity_timeout: None,
            keepalive_interval: Some(ALIVE_EVERY),
            keepalive_max: 3,
            nodelay: true,
            window_size: 64 * 1024,
            channel_buffer_size: 16,
            preferred: Preferred {
                kex: Cow::Borrowed(KEX),
                key: Cow::Borrowed(&[Algorithm::Ed25519]),
                cipher: Cow::Borrowed(CIPHERS),
                mac: Cow::Borrowed(MACS),
                compression: Cow::Borrowed(COMPRESSIONS),
                ..Preferred::default()
            },
            ..server::Config::default()
        };
        Self {
            unit,
            config: Arc::new(config),
            fingerprint,
            keys: Arc::new(keys),
            throttle: Arc::default(),
            connections: Connections::default(),
        }
    }

    /// SHA-256 of the host key's public half.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// How many are connected.
    #[must_use]
    pub fn connected(&self) -> usize {
        self.connections.taken()
    }

    /// A place for a connection from `source`, if there is one.
    pub(crate) fn place(&self, source: IpAddr) -> Option<Place> {
        self.connections.take(source)
    }

    /// Serves one connection from `source` to its end, if there is a place for it.
    pub async fn serve<S>(&self, stream: S, source: IpAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Some(_place) = self.place(source.to_canonical()) else {
            tracing::warn!(%source, "there are too many SSH connections: one more is refused");
            return;
        };
        let (inside, mut is_inside) = watch::channel(false);
        let who = Who::from(source.to_canonical(), Arc::clone(&self.throttle));
        let client = Client::new(Arc::clone(&self.unit), Arc::clone(&self.keys), who, inside);
        let begun = run_stream(Arc::clone(&self.config), stream, client);
        let mut running = match tokio::time::timeout(LOGIN_WITHIN, begun).await {
            Ok(Ok(running)) => running,
            Ok(Err(error)) => return tracing::debug!(%source, %error, "an SSH connection broke"),
            Err(_) => return,
        };
        let handle = running.handle();
        let late = async {
            // An error means that the connection is over, which the other branch sees.
            let logged_in = is_inside.wait_for(|inside| *inside);
            if tokio::time::timeout(LOGIN_WITHIN, logged_in).await.is_ok() {
                std::future::pending::<()>().await;
            }
        };
        let outcome = tokio::select! {
            outcome = &mut running => outcome,
            () = late => {
                let words = String::from("Nobody has logged in.");
                // Whoever does not read it is gone without it.
                let _ = handle.disconnect(Disconnect::ByApplication, words, String::new()).await;
                match tokio::time::timeout(END_WITHIN, &mut running).await {
                    Ok(outcome) => outcome,
                    Err(_) => Ok(()),
                }
            }
        };
        if let Err(error) = outcome {
            tracing::debug!(%source, %error, "an SSH connection broke");
        }
    }
}

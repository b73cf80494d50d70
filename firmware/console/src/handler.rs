//! One connection by SSH: who it is, and the one thing that may be asked for.

use crate::gate::{Denied, Who};
use crate::ssh::PublicKeys;
use crate::talk::{Wire, talk};
use crate::unit::{ADMINISTRATOR, Unit};
use evener_menu::{Opening, Place};
use russh::server::{
    Auth, ChannelOpenHandle, Handle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey,
};
use russh::{Channel, ChannelId, ChannelStream, Disconnect, MethodSet, Pty};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

/// Wrong passwords after which a connection ends.
const WRONG_PASSWORDS: u32 = 3;
/// Time that a client has to end the connection once its channel is closed.
const GO_WITHIN: Duration = Duration::from_secs(5);
/// Said before a log-in while nobody can log in.
const FIRST_PASSWORD: &str = "\
This unit still has its first password, and SSH is refused until it was changed.\r\n\
Choose your own on the pages or at the console, then come back.\r\n";
/// Said to whoever wants to run a command.
const NO_SHELL: &str = "There is no shell here. Connect without a command: the menu opens.\r\n";

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    unit: Arc<Unit>,
    keys: Arc<PublicKeys>,
    who: Who,
    /// Set once the log-in was right.
    inside: watch::Sender<bool>,
    wrong: u32,
    /// The one channel that a connection may have; taken when the menu begins.
    channel: Option<Channel<Msg>>,
    had_channel: bool,
}

impl Client {
    pub(crate) fn new(unit: Arc<Unit>, keys: Arc<PublicKeys>, who: Who, inside: watch::Sender<bool>) -> Self {
        Self { unit, keys, who, inside, wrong: 0, channel: None, had_channel: false }
    }

    /// Whether nobody may log in, because the password is still the first one. A unit without settings has none yet.
    fn is_closed(&self) -> bool {
        self.unit.administrator().is_none_or(|user| user.must_change_password)
    }

    fn knows(&self, user: &str, key: &russh::keys::PublicKey) -> bool {
        user == ADMINISTRATOR && !self.is_closed() && self.keys.has(user, key)
    }

    fn let_in(&self, how: &str) -> Auth {
        tracing::info!(place = self.who.place(), user = ADMINISTRATOR, how, "logged in");
        self.inside.send_replace(true);
        Auth::Accept
    }
}

impl Handler for Client {
    type Error = russh::Error;

    async fn authentication_banner(&mut self) -> Result<Option<String>, Self::Error> {
        Ok(self.is_closed().then(|| FIRST_PASSWORD.to_owned()))
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        if self.is_closed() {
            tracing::info!(
                place = self.who.place(),
                "SSH is refused: the first password was not changed yet"
            );
            return Ok(over());
        }
        match self.unit.authenticate(&self.who, user, password).await {
            Ok(user) => {
                self.who.is(user);
                Ok(self.let_in("by password"))
            }
            Err(Denied::Wrong) => {
                self.wrong += 1;
                Ok(if self.wrong < WRONG_PASSWORDS { Auth::reject() } else { over() })
            }
            // More tries would only be told to wait, too.
            Err(Denied::Wait(_) | Denied::NotReady) => Ok(over()),
        }
    }

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Self::Error> {
        Ok(if self.knows(user, offer.public_key) { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        let known = self.knows(user, key.public_key);
        match self.unit.administrator().filter(|_| known) {
            Some(user) => {
                self.who.is(user);
                Ok(self.let_in("by key"))
            }
            None => Ok(Auth::reject()),
        }
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        // Dropping the reply refuses a second one, as it does every other kind of channel.
        if !std::mem::replace(&mut self.had_channel, true) {
            self.channel = Some(channel);
            reply.accept().await;
        }
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _term: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        let Some(channel) = self.channel.take() else { return session.channel_failure(id) };
        session.channel_success(id)?;
        let (unit, who, handle) = (Arc::clone(&self.unit), self.who.clone(), session.handle());
        tokio::spawn(async move { menu(unit, who, channel, handle).await });
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        _command: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        tracing::info!(place = self.who.place(), "a command was asked for and refused");
        session.extended_data(channel, 1, NO_SHELL.as_bytes().to_vec())?;
        session.channel_failure(channel)
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        _name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        _name: &str,
        _value: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        _single: bool,
        _protocol: &str,
        _cookie: &str,
        _screen: u32,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }
}

/// No, and no more tries.
fn over() -> Auth {
    Auth::Reject { proceed_with_methods: Some(MethodSet::empty()), partial_success: false }
}

/// The menu on a channel, then the end of the connection.
async fn menu(unit: Arc<Unit>, who: Who, channel: Channel<Msg>, handle: Handle) {
    let (id, place) = (channel.id(), who.place().to_owned());
    let opening = Opening {
        place: Place::Network,
        title: unit.title(),
        rescue: unit.is_in_rescue(),
        user: Some(ADMINISTRATOR.to_owned()),
    };
    let mut wire = Stream(channel.into_stream());
    if let Err(error) = talk(&mut wire, &unit, who, opening).await {
        tracing::debug!(place, %error, "a session broke");
    }
    tracing::info!(place, "logged out");
    // Whoever is gone does not hear it.
    let _ = handle.exit_status_request(id, 0).await;
    let _ = handle.eof(id).await;
    let _ = handle.close(id).await;
    // OpenSSH goes by itself once its channel is closed; told to go, it would forget to show what came last.
    tokio::time::sleep(GO_WITHIN).await;
    let _ = handle.disconnect(Disconnect::ByApplication, String::new(), String::new()).await;
}

struct Stream(ChannelStream<Msg>);

impl Wire for Stream {
    async fn hear(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).await
    }

    async fn say(&mut self, text: &str) -> io::Result<()> {
        self.0.write_all(text.as_bytes()).await?;
        self.0.flush().await
    }
}

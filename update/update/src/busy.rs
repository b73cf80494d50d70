//! One thing at a time is done to the slots.

use evener_plan::{Code, Refusal};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// What is being done, if anything is. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Busy(Arc<Mutex<Option<Doing>>>);

#[derive(Debug)]
struct Doing {
    what: String,
    /// Set to true to have it ended; closed when it has.
    end: watch::Sender<bool>,
    done: watch::Receiver<()>,
    can_be_ended: bool,
}

/// The right to do something to the slots, until it is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    busy: Busy,
    end: watch::Receiver<bool>,
    /// Dropped with the claim: whoever ended it waits for that.
    _done: watch::Sender<()>,
}

impl Busy {
    /// Takes the right, for something that `what` describes and that can be ended or not.
    ///
    /// # Errors
    /// [`Code::Busy`], with what is being done.
    pub(crate) fn claim(&self, what: &str, can_be_ended: bool) -> Result<Claim, Refusal> {
        let mut doing = self.lock();
        if let Some(doing) = &*doing {
            return Err(Refusal::new(Code::Busy, doing.what.clone()));
        }
        let (end, ended) = watch::channel(false);
        let (finished, done) = watch::channel(());
        *doing = Some(Doing { what: what.into(), end, done, can_be_ended });
        Ok(Claim { busy: self.clone(), end: ended, _done: finished })
    }

    /// Has what is being done end, and waits for it. False when nothing is being done that could be ended.
    pub(crate) async fn end(&self) -> bool {
        let mut done = {
            let doing = self.lock();
            let Some(doing) = doing.as_ref().filter(|doing| doing.can_be_ended) else { return false };
            doing.end.send_replace(true);
            doing.done.clone()
        };
        // An error means that the claim is gone, which is what is waited for.
        while done.changed().await.is_ok() {}
        true
    }

    fn lock(&self) -> MutexGuard<'_, Option<Doing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// Whether somebody wants it ended.
    pub(crate) fn is_ended(&self) -> bool {
        *self.end.borrow()
    }

    /// Something that resolves when somebody wants it ended, and never if nobody does.
    pub(crate) fn ending(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut end = self.end.clone();
        async move {
            if end.wait_for(|end| *end).await.is_err() {
                std::future::pending().await
            }
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        *self.busy.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_claim_is_told_what_is_being_done() {
        let busy = Busy::default();
        let claim = busy.claim("1.1.0 is being installed", true).unwrap();
        let refusal = busy.claim("another", true).unwrap_err();
        assert_eq!(refusal, Refusal::new(Code::Busy, "1.1.0 is being installed"));
        drop(claim);
        assert!(busy.claim("another", true).is_ok());
    }

    #[tokio::test]
    async fn who_ends_it_waits_until_it_has_ended() {
        let busy = Busy::default();
        assert!(!busy.end().await, "there is nothing to end");
        let claim = busy.claim("copying", false).unwrap();
        assert!(!busy.end().await, "a copy is not ended");
        drop(claim);
        let claim = busy.claim("installing", true).unwrap();
        let ended = tokio::spawn({
            let busy = busy.clone();
            async move { busy.end().await }
        });
        claim.ending().await;
        assert!(claim.is_ended() && !ended.is_finished());
        drop(claim);
        assert!(ended.await.unwrap());
        assert!(busy.claim("next", true).is_ok());
    }
}

//! Undo, redo, whole generations and backups, as web asks for them.

use super::*;
use evener_api::control::{Generation, MAX_REASON, Parts};

impl Running {
    async fn ask_because(&self, reason: &str, change: Change) -> Reply {
        let (author, reason) = ("bal".into(), Some(reason.to_owned()));
        self.ask(Request::Apply(Box::new(Transaction { author, based_on: None, reason, change }))).await
    }

    async fn undo(&self, generation: u64) -> Reply {
        self.apply(None, Change::Undo { generation }).await
    }

    async fn try_out(&self, change: Change) -> Reply {
        let transaction = Transaction { author: "bal".into(), based_on: None, reason: None, change };
        self.ask(Request::Try(Box::new(transaction))).await
    }

    async fn ids(&self) -> Vec<(u32, u16)> {
        let services = self.snapshot().await.config.shared.virtual_services;
        services.iter().map(|service| (service.id.0, service.port)).collect()
    }

    /// Moves a service to another port.
    async fn move_to(&self, port: u16) -> u64 {
        let mut service = self.snapshot().await.config.shared.virtual_services.remove(0);
        service.port = port;
        Self::accepted(&self.apply(None, Change::ReplaceVs(service)).await).generation
    }
}

fn fields(reply: &Reply) -> Vec<(&str, &str)> {
    match reply {
        Reply::Clashes(list) | Reply::Invalid(list) => {
            list.iter().map(|it| (it.field.as_str(), it.reason.as_str())).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_delete_is_undone_redone_and_undone_again() {
    let unit = Unit::new();
    let running = unit.start();
    running.add(80).await;
    running.add(81).await;
    let whole = running.snapshot().await.config;
    let deleted = Running::accepted(&running.apply(None, Change::DeleteVs(VsId(1))).await).generation;
    running.add(82).await;

    let undone = Running::accepted(&running.undo(deleted).await).generation;
    assert_eq!(running.ids().await, [(1, 80), (2, 81), (3, 82)], "with its id, where it was");
    let services = running.snapshot().await.config.shared.virtual_services;
    assert_eq!(services[..2], whole.shared.virtual_services);
    let redone = Running::accepted(&running.undo(undone).await).generation;
    assert_eq!(running.ids().await, [(2, 81), (3, 82)]);
    Running::accepted(&running.undo(redone).await);
    assert_eq!(running.ids().await, [(1, 80), (2, 81), (3, 82)]);

    let told: Vec<Option<u64>> = running.history().await.iter().map(|it| it.undoes).take(4).collect();
    assert_eq!(told, [Some(redone), Some(undone), Some(deleted), None]);
    let again = Running::accepted(&running.undo(deleted).await).generation;
    assert_eq!(again, redone + 1, "what is undone already makes no generation");
    running.stop().await;
}

#[tokio::test]
async fn the_newest_change_is_taken_back_exactly() {
    let unit = Unit::new();
    let running = unit.start();
    running.add(80).await;
    let before = running.snapshot().await.config;
    let mut changed = before.unit.clone();
    changed.hostname = "other".into();
    for change in [
        Change::DeleteVs(VsId(1)),
        Change::DeleteRs(VsId(1), RsId(1)),
        Change::AddVs(service(99)),
        Change::ReplaceUnit(changed),
    ] {
        let generation = Running::accepted(&running.apply(None, change.clone()).await).generation;
        assert_ne!(running.snapshot().await.config, before);
        Running::accepted(&running.undo(generation).await);
        assert_eq!(running.snapshot().await.config, before, "{change:?}");
    }
    running.stop().await;
}

#[tokio::test]
async fn what_was_changed_again_is_refused_with_its_place_and_who_did_it() {
    let unit = Unit::new();
    let running = unit.start();
    running.add(80).await;
    let first = running.move_to(81).await;
    let second = running.move_to(82).await;
    let third = running.move_to(83).await;
    let before = running.snapshot().await;

    let refused = running.undo(first).await;
    let by = format!("was changed again by the generations {second} (bal) and {third} (bal)");
    assert_eq!(fields(&refused), [("shared.virtual_services[id=1].port", by.as_str())]);
    let refused = running.undo(2).await;
    assert_eq!(fields(&refused)[0].0, "shared.virtual_services[id=1]");
    assert!(fields(&refused)[0].1.contains(&format!("{first} (bal), {second} (bal) and {third} (bal)")));
    assert_eq!(running.snapshot().await, before);

    // Backwards, one after the other, it works.
    for generation in [third, second, first] {
        Running::accepted(&running.undo(generation).await);
    }
    assert_eq!(running.ids().await, [(1, 80)]);
    running.stop().await;
}

#[tokio::test]
async fn an_undo_that_would_break_a_rule_is_refused() {
    let unit = Unit::new();
    let running = unit.start();
    running.add(80).await;
    let deleted = Running::accepted(&running.apply(None, Change::DeleteVs(VsId(1))).await).generation;
    // Its port belongs to another service now.
    running.add(80).await;
    let refused = running.undo(deleted).await;
    assert!(matches!(&refused, Reply::Invalid(_)), "{refused:?}");
    assert_eq!(running.ids().await, [(2, 80)]);
    running.stop().await;
}

#[tokio::test]
async fn what_is_not_kept_or_has_nothing_before_it_cannot_be_undone() {
    let unit = Unit::new();
    let running = unit.start();
    let refused = running.undo(1).await;
    assert_eq!(
        fields(&refused),
        [("generation", "what was in force before generation 1 is not kept any more")]
    );
    assert_eq!(running.undo(9).await, Reply::NotFound);
    assert_eq!(running.apply(None, Change::Restore { generation: 9 }).await, Reply::NotFound);
    assert_eq!(running.apply(Some(7), Change::Undo { generation: 1 }).await, Reply::Conflict { newest: 1 });
    running.stop().await;
}

#[tokio::test]
async fn a_whole_generation_comes_back_and_locks_nobody_out() {
    let unit = Unit::new();
    let running = unit.start();
    running.add(80).await;
    let former = running.snapshot().await;
    running.add(81).await;
    Running::accepted(&running.apply(None, Change::DeleteVs(VsId(1))).await);
    let password = crate::password::hash("a chosen password").unwrap();
    Running::accepted(&running.apply(None, Change::SetPassword { user: "bal".into(), password }).await);

    let restore = Change::Restore { generation: former.generation };
    let accepted = Running::accepted(&running.ask_because("the new shop loses orders", restore).await);
    let now = running.snapshot().await;
    assert_eq!(now.config.shared.virtual_services, former.config.shared.virtual_services);
    assert!(is_bals(&now.config, "a chosen password") && !now.config.shared.users[0].must_change_password);
    assert_eq!(running.add(82).await.vs, Some(VsId(3)), "an id is never given twice");
    let info = running.history().await.remove(1);
    assert_eq!((info.generation, info.restores), (accepted.generation, Some(former.generation)));
    assert_eq!(info.reason.as_deref(), Some("the new shop loses orders"));
    running.stop().await;

    let running = unit.start();
    let reason = running.history().await.remove(1).reason;
    assert_eq!(reason.as_deref(), Some("the new shop loses orders"), "also after a restart");
    running.stop().await;
}

#[tokio::test]
async fn a_reason_that_no_line_holds_is_refused() {
    let unit = Unit::new();
    let running = unit.start();
    for bad in [String::from("two\nlines"), "x".repeat(MAX_REASON + 1)] {
        let refused = running.ask_because(&bad, Change::AddVs(service(80))).await;
        assert_eq!(fields(&refused)[0].0, "reason");
    }
    Running::accepted(&running.ask_because(&"é".repeat(MAX_REASON), Change::AddVs(service(80))).await);
    running.stop().await;
}

#[tokio::test]
async fn two_generations_are_compared_and_one_is_shown_without_secrets() {
    let unit = Unit::new();
    let running = unit.start();
    running.add(80).await;
    running.add(81).await;
    let compare = |from, to| running.ask(Request::Compare { from, to });
    let Reply::Difference(forth) = compare(1, 3).await else { panic!() };
    let Reply::Difference(back) = compare(3, 1).await else { panic!() };
    assert!(forth.len() == 2 && forth.iter().all(|line| line.ends_with("added")), "{forth:?}");
    assert!(back.len() == 2 && back.iter().all(|line| line.ends_with("removed")), "{back:?}");
    assert_eq!(compare(2, 2).await, Reply::Difference(Vec::new()));
    assert_eq!(compare(2, 9).await, Reply::NotFound);

    let Reply::Generation(shown) = running.ask(Request::Generation(2)).await else { panic!() };
    let Generation { info, config } = *shown;
    assert_eq!((info.generation, config.shared.virtual_services.len()), (2, 1));
    assert!(config.shared.users.iter().all(|user| user.password.0.is_empty()), "not even to web");
    assert_eq!(running.ask(Request::Generation(9)).await, Reply::NotFound);
    running.stop().await;
}

#[tokio::test]
async fn a_damaged_generation_is_said_to_be_damaged() {
    let unit = Unit::new();
    let running = unit.start();
    running.add(80).await;
    running.add(81).await;
    fs::write(unit.generation_file(2), "{").unwrap();
    for reply in [running.undo(2).await, running.ask(Request::Generation(2)).await] {
        assert!(fields(&reply)[0].1.contains("generation 2 cannot be used: it is damaged"), "{reply:?}");
    }
    let refused = running.undo(3).await;
    assert!(fields(&refused)[0].1.contains("before generation 3 is not kept"), "{refused:?}");
    running.stop().await;
}

#[tokio::test]
async fn trying_a_change_tells_what_it_would_do_and_does_nothing() {
    let unit = Unit::new();
    let running = unit.start();
    running.add(80).await;
    let before = running.snapshot().await;
    let Reply::Difference(lines) = running.try_out(Change::DeleteVs(VsId(1))).await else { panic!() };
    assert_eq!(lines, ["virtual service 192.0.2.10:80 removed"]);
    let Reply::Difference(lines) = running.try_out(Change::Undo { generation: 2 }).await else { panic!() };
    assert_eq!(lines, ["virtual service 192.0.2.10:80 removed"]);
    assert!(matches!(running.try_out(Change::AddVs(service(80))).await, Reply::Invalid(_)));
    assert_eq!(running.try_out(Change::DeleteVs(VsId(9))).await, Reply::NotFound);
    assert_eq!(running.snapshot().await, before);
    assert_eq!(running.add(81).await, Accepted { generation: 3, vs: Some(VsId(2)), rs: None });
    running.stop().await;
}

#[tokio::test]
async fn the_parts_of_a_backup_take_the_place_of_what_is_there() {
    let unit = Unit::new();
    let running = unit.start();
    running.add(80).await;
    let backup = running.snapshot().await.config;
    Running::accepted(&running.apply(None, Change::DeleteVs(VsId(1))).await);
    running.add(90).await;
    let users = running.snapshot().await.config.shared.users;

    let services = Some(backup.shared.clone());
    let parts = Parts { services, ..Parts::default() };
    Running::accepted(&running.apply(None, Change::Replace(Box::new(parts))).await);
    assert_eq!(running.ids().await, [(1, 80)]);
    assert_eq!(running.snapshot().await.config.shared.users, users);
    assert_eq!(running.add(91).await.vs, Some(VsId(3)));

    let mut bad = backup.clone();
    bad.shared.users[0].password = PasswordHash("not a hash".into());
    let parts = Parts { users: Some(bad.shared.users), ..Parts::default() };
    let refused = running.apply(None, Change::Replace(Box::new(parts))).await;
    assert_eq!(fields(&refused)[0].0, "password");
    let parts = Parts { users: Some(Vec::new()), ..Parts::default() };
    let refused = running.apply(None, Change::Replace(Box::new(parts))).await;
    assert!(matches!(refused, Reply::Invalid(_)), "nobody would be left: {refused:?}");
    running.stop().await;
}

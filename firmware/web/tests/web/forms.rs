//! Adding, changing and deleting by the forms.

use crate::support::{Unit, service_fields};
use axum::http::StatusCode;
use evener_api::control::Violation;
use evener_config::{Address, CheckKind, VirtualService};

fn services(unit: &Unit) -> Vec<VirtualService> {
    unit.fake.config.borrow().config.shared.virtual_services.clone()
}

/// What `<`, `"`, `'` and `&` look like when they are text.
const NASTY: &str = r#""><script>alert('x')</script>&amp;"#;

#[tokio::test]
async fn a_service_is_added_changed_and_deleted() {
    let unit = Unit::new(false, serde_json::json!([])).await;
    let browser = unit.log_in().await;
    let fields = service_fields(&[("check.kind", "tcp"), ("check.interval_s", "30"), ("port", " 8080 ")]);
    let answer = unit.post("/services/new", &fields, &browser).await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/services/1?done=added"));
    let added = services(&unit).remove(0);
    assert_eq!((added.port, &added.check.kind, added.check.interval_s), (8080, &CheckKind::Tcp, 30));
    let page = unit.get("/services/1?done=added", &browser).await;
    assert!(page.has("Added.") && page.has("192.0.2.20:8080"));

    let form = unit.get("/services/1/edit", &browser).await;
    let seen = form.between("name=\"seen\" value=\"", "\"").to_owned();
    let own = [("address.kind", "own"), ("address.own", "eth0"), ("seen", seen.as_str())];
    let answer = unit.post("/services/1/edit", &service_fields(&own), &browser).await;
    assert_eq!(answer.location(), "/services/1?done=saved", "{}", answer.text);
    let saved = services(&unit).remove(0);
    assert!(matches!(&saved.address, Address::Own(name) if name.0 == "eth0"));
    assert!(matches!(saved.check.kind, CheckKind::Http(_)));

    let question = unit.get("/services/1/delete", &browser).await;
    assert!(question.has("Delete blog?") && question.has("action=\"/services/1/delete\""));
    let answer = unit.post("/services/1/delete", &[], &browser).await;
    assert!(answer.location().starts_with("/services?done=deleted&undo="), "{}", answer.location());
    assert!(services(&unit).is_empty());
    assert_eq!(unit.get("/services/1", &browser).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_real_server_is_added_changed_and_deleted() {
    let unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    let fields = [("address", "10.0.0.7"), ("port", "81"), ("weight", "5"), ("enabled", "on")];
    let answer = unit.post("/services/1/servers/new", &fields, &browser).await;
    assert_eq!(answer.location(), "/services/1?done=added", "{}", answer.text);
    let server = services(&unit)[0].real_servers[2].clone();
    assert_eq!((server.id.0, server.port, server.weight.0, server.enabled), (4, 81, 5, true));

    let form = unit.get("/services/1/servers/4/edit", &browser).await;
    let seen = form.between("name=\"seen\" value=\"", "\"").to_owned();
    let fields = [("address", "10.0.0.7"), ("port", "82"), ("weight", "6"), ("seen", seen.as_str())];
    let answer = unit.post("/services/1/servers/4/edit", &fields, &browser).await;
    assert_eq!(answer.location(), "/services/1?done=saved", "{}", answer.text);
    let server = services(&unit)[0].real_servers[2].clone();
    assert_eq!((server.port, server.weight.0, server.enabled), (82, 6, false));

    let answer = unit.post("/services/1/servers/4/delete", &[], &browser).await;
    assert!(answer.location().starts_with("/services/1?done=deleted&undo="), "{}", answer.location());
    assert_eq!(services(&unit)[0].real_servers.len(), 2);
    assert_eq!(unit.post("/services/1/servers/4/delete", &[], &browser).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_wrong_stands_at_its_input_and_nothing_typed_is_lost() {
    let unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    // Of the form's own making, then of control's.
    for (name, typed, reason) in [
        ("port", "80x", "not a whole number"),
        ("port", "0", "0 is not a port"),
        ("check.interval_s", "3", "time-out × tries + 1"),
        ("address.literal", "localhost", "not an IP address"),
    ] {
        let fields = service_fields(&[(name, typed), ("name", "kept & typed"), ("timeouts.idle_s", "777")]);
        let answer = unit.post("/services/new", &fields, &browser).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        let id = format!("f-{}", name.replace(['.', '_'], "-"));
        assert!(answer.has(&format!("href=\"#{id}\"")), "{name}: the summary leads to the input");
        let input = answer.between(&format!("<input id=\"{id}\""), "</div></div>");
        assert!(input.contains(&format!("value=\"{typed}\"")), "{input}");
        assert!(input.contains("aria-invalid=\"true\"") && input.contains(reason), "{input}");
        assert!(answer.has("value=\"kept &amp; typed\"") && answer.has("value=\"777\""));
    }
    assert_eq!(services(&unit).len(), 1);
}

#[tokio::test]
async fn a_complaint_about_the_servers_of_a_new_service_is_not_swallowed() {
    let unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    let field = String::from("unit.something");
    *unit.fake.refuse.lock().unwrap() =
        Some(vec![Violation { field, reason: String::from("No room <left>.") }]);
    let answer = unit.post("/services/new", &service_fields(&[]), &browser).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.has("No room &lt;left&gt;."));
}

#[tokio::test]
async fn who_was_slower_sees_it_and_overwrites_only_knowingly() {
    let unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    let form = unit.get("/services/1/edit", &browser).await;
    let seen = form.between("name=\"seen\" value=\"", "\"").to_owned();
    // Another service changes: that is no conflict.
    unit.post("/services/new", &service_fields(&[]), &browser).await;
    let mine = service_fields(&[("name", "mine"), ("seen", &seen)]);
    let theirs = service_fields(&[("name", "theirs"), ("seen", &seen)]);
    assert_eq!(unit.post("/services/1/edit", &theirs, &browser).await.status, StatusCode::SEE_OTHER);
    let answer = unit.post("/services/1/edit", &mine, &browser).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert!(answer.has("Somebody changed these settings") && answer.has("value=\"mine\""));
    assert_eq!(services(&unit)[0].name, "theirs");
    let seen = answer.between("name=\"seen\" value=\"", "\"").to_owned();
    let again = service_fields(&[("name", "mine"), ("seen", &seen)]);
    assert_eq!(unit.post("/services/1/edit", &again, &browser).await.status, StatusCode::SEE_OTHER);
    let now = services(&unit).remove(0);
    assert_eq!((now.name.as_str(), now.real_servers.len()), ("mine", 2), "its real servers stay");
}

#[tokio::test]
async fn a_server_is_saved_over_the_generation_that_was_looked_at() {
    let unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    let form = unit.get("/services/1/servers/2/edit", &browser).await;
    let seen = form.between("name=\"seen\" value=\"", "\"").to_owned();
    let fields = [("address", "10.0.0.5"), ("port", "81"), ("weight", "1"), ("seen", seen.as_str())];
    let answer = unit.post("/services/1/servers/2/edit", &fields, &browser).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let asked = unit.fake.changes.lock().unwrap().pop().unwrap();
    assert_eq!(asked.based_on, Some(1), "a change in between is a conflict, not overwritten");
}

#[tokio::test]
async fn metacharacters_are_text_in_every_input() {
    let unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    let names: Vec<&str> = service_fields(&[]).iter().map(|(name, _)| *name).collect();
    for name in names.into_iter().filter(|name| *name != "enabled") {
        // The name alone may hold them; a second wrong field keeps the form on the screen.
        let fields = service_fields(&[("port", "no"), (name, NASTY)]);
        let answer = unit.post("/services/new", &fields, &browser).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
        assert!(!answer.has("<script>"), "{name}");
    }
    for name in ["address", "port", "weight"] {
        let fields = [("address", "x"), ("port", "1"), ("weight", "1"), (name, NASTY)];
        let answer = unit.post("/services/1/servers/new", &fields, &browser).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
        assert!(!answer.has("<script>"), "{name}");
    }
}

#[tokio::test]
async fn a_page_does_not_say_that_nothing_was_deleted_when_nobody_knows() {
    let unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    *unit.fake.after.lock().unwrap() = crate::fake::After::Silent;
    let answer = unit.post("/services/1/servers/2/delete", &[], &browser).await;
    assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT);
    assert!(answer.has("may have been made") && !answer.has("Not deleted"), "{}", answer.text);
}

#[tokio::test]
async fn control_away_means_nothing_changed_and_nothing_lost() {
    let mut unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    unit.kill(evener_api::Service::Control);
    let answer = unit.post("/services/new", &service_fields(&[("name", "kept")]), &browser).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.has("control does not answer") && answer.has("value=\"kept\""));
}

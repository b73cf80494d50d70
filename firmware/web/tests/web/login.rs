//! Who gets in, how long, and how often one may guess.

use crate::support::{Browser, PASSWORD, Unit};
use axum::http::StatusCode;

const WRONG: [(&str, &str); 2] = [("user", "bal"), ("password", "wrong horse")];
const RIGHT: [(&str, &str); 2] = [("user", "bal"), ("password", PASSWORD)];

#[tokio::test]
async fn every_page_wants_a_log_in_and_leads_back_afterwards() {
    let unit = Unit::with_shop().await;
    for path in ["/services", "/services/1", "/services/1/edit", "/services/1/servers/2/delete", "/system"] {
        let answer = unit.get(path, &Browser::default()).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        assert_eq!(answer.location(), format!("/login?next={path}"));
    }
    let fields = [RIGHT.as_slice(), &[("next", "/services/1/edit")]].concat();
    let answer = unit.post("/login", &fields, &Browser::default()).await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/services/1/edit"));
    let fields = [RIGHT.as_slice(), &[("next", "//evil.example/")]].concat();
    assert_eq!(unit.post("/login", &fields, &Browser::default()).await.location(), "/");
}

#[tokio::test]
async fn the_cookie_is_this_units_own_and_well_guarded() {
    let unit = Unit::with_shop().await;
    let answer = unit.post("/login", &RIGHT, &Browser::default()).await;
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("evener-00c0ffee="), "{cookie}");
    for word in ["Secure", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(word), "{cookie}");
    }
    assert!(!answer.headers.contains_key("strict-transport-security"));
}

#[tokio::test]
async fn the_first_password_leads_to_its_change_and_nowhere_else() {
    let unit = Unit::new(true, crate::support::shop()).await;
    let browser = unit.log_in().await;
    for path in ["/", "/services", "/services/1/edit", "/system", "/system/reboot"] {
        assert_eq!(unit.get(path, &browser).await.location(), "/password", "{path}");
    }
    let answer = unit.post("/services/1/delete", &[], &browser).await;
    assert_eq!(answer.location(), "/password");
    assert_eq!(unit.fake.config.borrow().config.shared.virtual_services.len(), 1);

    let change = |new: &'static str, again: &'static str| {
        let (unit, browser) = (&unit, &browser);
        async move {
            let fields = [("current", PASSWORD), ("new", new), ("again", again)];
            unit.post("/password", &fields, browser).await
        }
    };
    for (new, again, words) in [
        ("short", "short", "8 to 128 characters, not 5"),
        (PASSWORD, PASSWORD, "already have"),
        ("battery staple", "battery stable", "differ"),
    ] {
        let answer = change(new, again).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.has(words), "{}", answer.text);
    }
    let answer = change("battery staple", "battery staple").await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/?done=password"));
    assert!(unit.get("/", &browser).await.location().starts_with("/login"), "the old cookie is void");
    let mut browser = Browser::default();
    browser.take_cookie(&answer);
    assert_eq!(unit.get("/", &browser).await.status, StatusCode::OK);
    let user = unit.fake.config.borrow().config.shared.users[0].clone();
    assert!(user.password.0.starts_with("$argon2id$") && !user.must_change_password);
}

#[tokio::test]
async fn guessing_gets_slower_and_the_right_password_does_not_help_meanwhile() {
    let unit = Unit::with_shop().await;
    let guesser = Browser::default();
    for _ in 0..5 {
        assert_eq!(unit.post("/login", &WRONG, &guesser).await.status, StatusCode::FORBIDDEN);
    }
    let answer = unit.post("/login", &RIGHT, &guesser).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.header("retry-after"), "1");
    unit.pass(1000);
    assert_eq!(unit.post("/login", &RIGHT, &guesser).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn guessing_elsewhere_does_not_lock_the_operator_out() {
    let unit = Unit::with_shop().await;
    let operator = Browser::from([192, 0, 2, 99]);
    assert_eq!(unit.post("/login", &RIGHT, &operator).await.status, StatusCode::SEE_OTHER);
    for n in 0..12 {
        unit.post("/login", &WRONG, &Browser::from([198, 51, 100, n])).await;
    }
    let stranger = unit.post("/login", &RIGHT, &Browser::from([203, 0, 113, 1])).await;
    assert_eq!(stranger.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(unit.post("/login", &RIGHT, &operator).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn an_unknown_user_is_answered_like_a_wrong_password() {
    let unit = Unit::with_shop().await;
    let unknown = unit.post("/login", &[("user", "root"), ("password", PASSWORD)], &Browser::default()).await;
    let wrong = unit.post("/login", &WRONG, &Browser::default()).await;
    assert_eq!((unknown.status, &unknown.text), (wrong.status, &wrong.text));
}

#[tokio::test]
async fn a_session_ends_when_nobody_is_there_even_if_the_page_polls() {
    let unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    let poll = || {
        let request = browser.request(axum::http::Method::GET, "/").header("x-evener-live", "1");
        unit.send(request.body(axum::body::Body::empty()).unwrap())
    };
    unit.pass(20 * 60_000);
    assert_eq!(poll().await.status, StatusCode::OK);
    unit.pass(11 * 60_000);
    assert_eq!(poll().await.status, StatusCode::UNAUTHORIZED);
    assert!(unit.get("/", &browser).await.location().starts_with("/login"));
}

#[tokio::test]
async fn log_out_ends_the_session() {
    let unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    let answer = unit.post("/logout", &[], &browser).await;
    assert_eq!(answer.location(), "/login");
    assert!(answer.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(unit.get("/services", &browser).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_password_changed_elsewhere_ends_the_session() {
    let unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    let body = serde_json::json!({"password": "battery staple"});
    let answer = unit.api(axum::http::Method::POST, "/api/v1/users/bal/password", Some(body)).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(unit.get("/", &browser).await.status, StatusCode::SEE_OTHER);
}

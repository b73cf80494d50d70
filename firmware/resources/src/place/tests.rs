use super::*;
use evener_config::conceal;
use serde_json::json;

fn config() -> Value {
    let config: evener_config::Config = serde_json::from_value(json!({
        "shared": {
            "virtual_services": [
                {"id": 3, "address": {"literal": "192.0.2.10"}, "port": 80,
                 "real_servers": [{"id": 7, "address": "10.0.0.5", "port": 8080}]},
            ],
            "certificates": [{"name": "shop", "chain": "c", "key": "secret"}],
            "users": [{"name": "bal", "password": "$argon2id$x"}],
        },
        "unit": {"interfaces": [{"name": "eth0", "mtu": 1400}], "name_servers": ["192.0.2.53"]},
    }))
    .unwrap();
    serde_json::to_value(config).unwrap()
}

#[test]
fn every_object_list_and_setting_has_an_address() {
    let config = config();
    let at = |path: &str| read(&config, &path.split('/').collect::<Vec<_>>());
    assert_eq!(at("virtual_services/3/port"), Ok(json!(80)));
    assert_eq!(at("virtual_services/3/check/kind/http"), Err(Fault::NotFound("http".into())));
    assert_eq!(at("virtual_services/3/real_servers/7/address"), Ok(json!("10.0.0.5")));
    assert_eq!(at("interfaces/eth0/mtu"), Ok(json!(1400)));
    assert_eq!(at("name_servers"), Ok(json!(["192.0.2.53"])));
    assert_eq!(at("name_servers/0"), Err(Fault::NotFound("0".into())), "plain values have no names");
    assert_eq!(at("geo/ttl_s"), Ok(json!(10)));
    for (path, name) in [
        ("", ""),
        ("shared", "shared"),
        ("virtual_services/4", "4"),
        ("virtual_services/03", "03"),
        ("virtual_services/3/real_servers/8", "8"),
        ("virtual_services/3/colour", "colour"),
        ("hostname/x", "x"),
        ("../etc", ".."),
    ] {
        assert_eq!(at(path), Err(Fault::NotFound(name.into())), "{path}");
    }
    assert_eq!(
        find(&config, &["virtual_services", "3", "check"]).unwrap().path(),
        "shared.virtual_services[0].check"
    );
}

#[test]
fn secrets_are_never_read() {
    let config = config();
    let certificate = read(&config, &["certificates", "shop"]).unwrap();
    assert_eq!((&certificate["key"], &certificate["chain"]), (&json!(HIDDEN), &json!("c")));
    assert_eq!(read(&config, &["users", "bal", "password"]), Ok(json!(HIDDEN)));
    let all =
        halves().flat_map(|(_, group)| &group.fields).map(|field| read(&config, &[&field.name]).unwrap());
    for value in all {
        let text = value.to_string();
        assert!(!text.contains("secret") || !text.contains("\"secret\":\"secret\""), "{text}");
        assert!(!text.contains("argon2id"), "{text}");
    }
}

#[test]
fn an_empty_secret_is_shown_as_empty() {
    let field = halves().find_map(|(_, group)| group.field("snmp")).unwrap();
    let mut value = json!({"community": "", "password": "p"});
    conceal(&field.shape, &mut value, HIDDEN);
    assert_eq!(value, json!({"community": "", "password": HIDDEN}));
}

use super::*;
use evener_config::HIDDEN;
use proptest::prelude::*;
use serde_json::json;

fn config() -> Value {
    let config: Config = serde_json::from_value(json!({
        "shared": {
            "virtual_services": [
                {"id": 3, "name": "shop", "address": {"literal": "192.0.2.10"}, "port": 80,
                 "check": {"interval_s": 20},
                 "pre_authentication": {"captcha": {"private_key": "hush"}},
                 "real_servers": [{"id": 7, "address": "10.0.0.5", "port": 8080}]},
            ],
            "certificates": [{"name": "shop", "chain": "c", "key": "hush"}],
        },
        "unit": {"interfaces": [{"name": "eth0", "mtu": 1400}]},
    }))
    .unwrap();
    serde_json::to_value(config).unwrap()
}

fn done(path: &str, method: Method, body: Value) -> Result<Config, Fault> {
    let names: Vec<&str> = path.split('/').collect();
    change(&config(), &names, method, Some(body)).map(|it| it.config)
}

fn refused(path: &str, method: Method, body: Value) -> Vec<String> {
    match done(path, method, body) {
        Err(Fault::Invalid(violations)) => violations.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn put_sets_the_whole_and_what_is_left_out_gets_its_default() {
    let config =
        done("virtual_services/3", Method::Put, json!({"address": {"literal": "192.0.2.11"}, "port": 81}));
    let service = config.unwrap().shared.virtual_services.remove(0);
    assert_eq!((service.id.0, service.port, service.check.interval_s), (3, 81, 9));
    assert!(service.name.is_empty() && service.real_servers.is_empty());
    let config = done("virtual_services/3/check/interval_s", Method::Put, json!(30)).unwrap();
    assert_eq!(config.shared.virtual_services[0].check.interval_s, 30);
}

#[test]
fn what_was_read_can_be_written_back_whole() {
    let before = config();
    for path in [
        "virtual_services",
        "virtual_services/3",
        "certificates/shop",
        "certificates",
        "geo",
        "interfaces/eth0",
    ] {
        let names: Vec<&str> = path.split('/').collect();
        let seen = crate::read(&before, &names).unwrap();
        let after = change(&before, &names, Method::Put, Some(seen)).unwrap().config;
        assert_eq!(serde_json::to_value(after).unwrap(), before, "{path}");
    }
}

#[test]
fn a_secret_is_kept_replaced_or_refused() {
    let key =
        |body| done("certificates/shop", Method::Patch, body).unwrap().shared.certificates.remove(0).key.0;
    assert_eq!(key(json!({"chain": "other"})), "hush");
    assert_eq!(key(json!({"key": HIDDEN})), "hush");
    assert_eq!(key(json!({"key": "new"})), "new");
    assert_eq!(
        refused("certificates", Method::Post, json!({"name": "b", "chain": "c", "key": HIDDEN})),
        ["key: there is nothing here yet to be kept: give the secret itself"]
    );
    let moved = done(
        "virtual_services",
        Method::Put,
        json!([
            {"id": 3, "address": {"own": "eth0"}, "port": 1, "pre_authentication": {"captcha": {"private_key": HIDDEN}}}
        ]),
    );
    assert_eq!(moved.unwrap().shared.virtual_services[0].pre_authentication.captcha.private_key.0, "hush");
}

#[test]
fn patch_changes_what_is_given_and_null_gives_the_default() {
    let config = done(
        "virtual_services/3",
        Method::Patch,
        json!({"port": 81, "check": {"timeout_s": 2, "interval_s": null}}),
    );
    let service = config.unwrap().shared.virtual_services.remove(0);
    assert_eq!((service.port, service.name.as_str()), (81, "shop"));
    assert_eq!((service.check.timeout_s, service.check.interval_s), (2, 9));
    assert_eq!(service.real_servers.len(), 1);
    assert_eq!(
        refused("virtual_services/3", Method::Patch, json!([1])),
        [": a patch is an object with the fields to change"]
    );
}

#[test]
fn post_adds_and_the_unit_gives_the_number() {
    let names = ["virtual_services", "3", "real_servers"];
    let server = json!({"address": "10.0.0.6", "port": 80});
    let changed = change(&config(), &names, Method::Post, Some(server)).unwrap();
    assert!(changed.created && changed.numbered);
    let servers = &changed.config.shared.virtual_services[0].real_servers;
    assert_eq!((servers.len(), servers[1].id.0), (2, 0));
    assert_eq!(
        refused(
            "virtual_services/3/real_servers",
            Method::Post,
            json!({"id": 9, "address": "10.0.0.6", "port": 80})
        ),
        ["id: the unit gives the id: leave it out"]
    );
    let twice = json!({"name": "shop", "chain": "c", "key": "k"});
    assert_eq!(done("certificates", Method::Post, twice), Err(Fault::Exists("shop".into())));
}

#[test]
fn put_under_a_new_name_makes_what_operators_name() {
    let names = ["certificates", "blog"];
    let changed = change(&config(), &names, Method::Put, Some(json!({"chain": "c", "key": "k"}))).unwrap();
    assert!(changed.created && !changed.numbered);
    assert_eq!(changed.config.shared.certificates[1].name, "blog");
    assert_eq!(
        refused("certificates/blog", Method::Put, json!({"name": "other", "chain": "c", "key": "k"})),
        ["name: the address says blog: leave it out or make them equal"]
    );
    assert_eq!(
        done("virtual_services/9", Method::Put, json!({"address": {"own": "eth0"}, "port": 1})),
        Err(Fault::NotFound("9".into())),
        "a number is the unit's to give"
    );
}

#[test]
fn delete_takes_away_or_resets() {
    assert!(
        done("virtual_services/3", Method::Delete, Value::Null).unwrap().shared.virtual_services.is_empty()
    );
    let config = done("virtual_services/3/check", Method::Delete, Value::Null).unwrap();
    assert_eq!(config.shared.virtual_services[0].check.interval_s, 9);
    assert_eq!(
        done("interfaces/eth0/mtu", Method::Delete, Value::Null).unwrap().unit.interfaces[0].mtu,
        None
    );
    assert_eq!(
        refused("virtual_services/3/port", Method::Delete, Value::Null),
        ["port: this has no default and must be set: PUT another value"]
    );
    let other = done("virtual_services/3/port", Method::Post, json!(1));
    assert_eq!(other, Err(Fault::NotAllowed(vec![Method::Put, Method::Delete])));
}

#[test]
fn what_does_not_fit_is_named_as_its_sender_knows_it() {
    let cases = [
        (
            "virtual_services/3",
            Method::Put,
            json!({"address": {"literal": "x"}, "port": 80}),
            "address.literal: ",
        ),
        (
            "virtual_services/3",
            Method::Patch,
            json!({"check": {"interval_s": "9"}}),
            "check.interval_s: string \"9\" is not a check interval",
        ),
        (
            "virtual_services/3",
            Method::Patch,
            json!({"port": 70000}),
            "port: 70000 is not a port: 1 to 65535",
        ),
        ("virtual_services/3", Method::Patch, json!({"prot": 1}), "prot: unknown field `prot`"),
        ("virtual_services/3/port", Method::Put, json!("x"), ": string \"x\" is not a port"),
        (
            "virtual_services",
            Method::Post,
            json!({"address": {"own": "eth0"}, "port": -1}),
            "port: -1 is not a port",
        ),
        ("geo", Method::Put, json!(7), ": "),
    ];
    for (path, method, body, begins) in cases {
        let said = refused(path, method, body);
        assert!(said.len() == 1 && said[0].starts_with(begins), "{path}: {said:?}");
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        Just(Value::from(HIDDEN)),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let name = prop_oneof!["[a-z_]{1,8}", Just(String::from("id")), Just(String::from("name"))];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((name, inner), 0..4)
                .prop_map(|it| Value::Object(it.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_is_sent_is_taken_or_refused(
        path in prop_oneof![
            Just("virtual_services"), Just("virtual_services/3"), Just("virtual_services/3/check"),
            Just("virtual_services/3/port"), Just("certificates/shop"), Just("certificates/new"), Just("geo/names"),
            Just("hostname"), Just("interfaces/eth0/ipv4"),
        ],
        method in prop_oneof![Just(Method::Put), Just(Method::Patch), Just(Method::Post), Just(Method::Delete)],
        body in proptest::option::of(any_value()),
    ) {
        let before = config();
        let names: Vec<&str> = path.split('/').collect();
        if let Ok(Changed { config, .. }) = change(&before, &names, method, body.clone()) {
            // What can be repeated gives the same again.
            if method == Method::Put {
                let once = serde_json::to_value(config).unwrap();
                if let Ok(again) = change(&once, &names, method, body) {
                    prop_assert_eq!(serde_json::to_value(again.config).unwrap(), once);
                }
            }
        }
    }
}

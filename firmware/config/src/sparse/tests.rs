use super::*;
use crate::testing::{any_config, valid_config};
use crate::{Address, Shared, VirtualService};
use proptest::prelude::*;

proptest! {
    #[test]
    fn what_is_left_out_comes_back(config in any_config()) {
        let stored = sparse(&config).unwrap();
        prop_assert_eq!(serde_json::from_value::<Config>(stored).unwrap(), config);
    }
}

#[test]
fn only_what_somebody_set_is_stored() {
    let mut service = VirtualService::new(Address::Literal("192.0.2.10".parse().unwrap()), 80);
    service.id.0 = 1;
    service.check.interval_s = 10;
    let config = Config {
        shared: Shared { virtual_services: vec![service], ..Shared::default() },
        ..Config::default()
    };
    let stored = sparse(&config).unwrap();
    assert_eq!(
        stored,
        serde_json::json!({"shared": {"virtual_services": [
            {"id": 1, "address": {"literal": "192.0.2.10"}, "port": 80, "check": {"interval_s": 10}}
        ]}})
    );
    assert_eq!(sparse(&Config::default()).unwrap(), serde_json::json!({}));
}

#[test]
fn what_nobody_set_means_what_it_always_meant() {
    let full = serde_json::to_string_pretty(&valid_config()).unwrap() + "\n";
    let kept = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/format-1.json");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&kept, &full).unwrap();
    }
    let kept = std::fs::read_to_string(&kept).unwrap();
    assert_eq!(
        full, kept,
        "a default changed, or a setting came or went: configurations that are stored already would change their \
         meaning; write a migration, then take the new file with UPDATE_EXPECT=1"
    );
}

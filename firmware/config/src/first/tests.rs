use super::*;
use crate::Address;
use proptest::prelude::*;

/// The example of `docs/first-configuration.md`.
const EXAMPLE: &str = include_str!("../../../../docs/first-configuration.toml");

#[track_caller]
fn refused(text: &str) -> Vec<String> {
    parse(text).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn an_empty_file_is_the_defaults() {
    let first = parse("").unwrap();
    assert_eq!(first, FirstConfig { config: Config::default(), password: None });
}

#[test]
fn the_documented_example_is_good() {
    let first = parse(EXAMPLE).unwrap();
    assert!(matches!(first.password, Some(FirstPassword::Clear(_))));
    assert_eq!(first.config.unit.hostname, "lb1");
    assert_eq!(first.config.unit.interfaces.len(), 2);
    let [shop, ..] = &first.config.shared.virtual_services[..] else { panic!("no service") };
    assert_eq!(shop.id, VsId(1));
    assert!(matches!(shop.address, Address::Literal(_)));
    let ids: Vec<u32> = first
        .config
        .shared
        .virtual_services
        .iter()
        .flat_map(|it| &it.real_servers)
        .map(|it| it.id.0)
        .collect();
    assert_eq!(ids, [1, 2, 3], "ids go on through all services");
}

#[test]
fn the_example_in_the_text_is_good() {
    let text = include_str!("../../../../docs/first-configuration.md");
    let example = text.split_once("```toml\n").unwrap().1.split_once("```").unwrap().0;
    let first = parse(example).unwrap();
    assert_eq!(first.config.shared.virtual_services[0].name, "shop");
}

#[test]
fn a_misspelt_name_is_shown_with_the_right_one() {
    let said = refused("hostname = \"a\"\n\nhostnam = \"b\"\n");
    assert_eq!(said.len(), 1);
    assert!(said[0].starts_with("line 3: hostnam: unknown field `hostnam`"), "{said:?}");
    assert!(said[0].ends_with("Did you mean `hostname`?"), "{said:?}");
}

#[test]
fn a_port_beyond_its_type_is_refused_in_words_with_its_line() {
    let text =
        "[[virtual_services]]\nname = \"shop\"\naddress = { literal = \"192.0.2.10\" }\nport = 70000\n";
    assert_eq!(refused(text), ["line 4: virtual_services[0].port: 70000 is not a port: 1 to 65535"]);
}

#[test]
fn every_broken_rule_is_reported_with_its_line() {
    let text = r#"
hostname = "-"
web_port = 22
default_gateway = "224.0.0.1"

[[virtual_services]]
address = { literal = "192.0.2.10" }
port = 80

[[virtual_services]]
id = 7
address = { own = "eth9" }
port = 81
check = { interval_s = 3 }

  [[virtual_services.real_servers]]
  address = "10.0.0.1"
  port = 0
"#;
    let said = refused(text);
    let places: Vec<&str> = said.iter().map(|line| line.split(": ").nth(1).unwrap()).collect();
    let lines: Vec<&str> = said.iter().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(
        places,
        [
            "virtual_services[1].id",
            "hostname",
            "default_gateway",
            "virtual_services[1].address.own",
            "virtual_services[1].check.interval_s",
            "web_port",
            "virtual_services[1].real_servers[0].port",
        ]
    );
    assert_eq!(lines, ["line 11", "line 2", "line 4", "line 12", "line 14", "line 3", "line 18"]);
}

#[test]
fn a_missing_field_is_reported_at_its_object() {
    let said = refused("[[virtual_services]]\nport = 80\n");
    assert_eq!(said, ["line 1: virtual_services[0]: missing field `address`"]);
}

#[test]
fn text_that_is_not_toml_is_refused_with_its_line() {
    let said = refused("hostname = \"a\"\n= 3\n");
    assert!(said[0].starts_with("line 2: "), "{said:?}");
}

#[test]
fn a_password_is_given_once_and_is_long_enough() {
    assert!(refused("password = \"short\"")[0].contains("8 to 128 characters, not 5"));
    let both = format!("password = \"long enough\"\npassword_hash = \"{}\"", crate::testing::HASH);
    assert_eq!(refused(&both), ["line 2: password_hash: give either password or password_hash, not both"]);
    assert!(refused("password_hash = \"plain text\"")[0].contains("not an Argon2id hash"));
    let hash = format!("password_hash = \"{}\"", crate::testing::HASH);
    assert!(matches!(parse(&hash).unwrap().password, Some(FirstPassword::Hash(_))));
}

#[test]
fn passwords_do_not_get_into_logs() {
    let first = parse("password = \"correct horse\"").unwrap();
    assert!(!format!("{first:?}").contains("horse"));
}

proptest! {
    #[test]
    fn any_text_is_good_or_refused_for_a_reason(text in ".{0,200}") {
        if let Err(errors) = parse(&text) {
            prop_assert!(!errors.is_empty());
        }
    }

    #[test]
    fn a_file_cut_anywhere_does_not_panic(length in 0..EXAMPLE.len()) {
        let _ = parse(EXAMPLE.get(..length).unwrap_or(""));
    }
}

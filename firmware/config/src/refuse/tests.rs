use super::*;

#[test]
fn a_number_beyond_its_type_is_refused_in_the_same_words() {
    assert_eq!(
        explain("virtual_services[1].real_servers[0].weight", "invalid value: integer `-1`, expected u16"),
        "-1 is not a weight: 1 to 65535"
    );
    assert_eq!(
        explain("extra_good_statuses[3]", "invalid value: integer `99999`, expected u16"),
        "99999 is not an extra good status: 300 to 599"
    );
    assert_eq!(
        explain("check.interval_s", "invalid type: string \"9\", expected u16"),
        "string \"9\" is not a check interval: 1 to 901 seconds"
    );
    assert_eq!(
        explain("name", "invalid type: integer `9`, expected a string"),
        "invalid type: integer `9`, expected a string"
    );
}

#[test]
fn what_does_not_fit_is_named_with_its_path() {
    let mut config = crate::testing::valid_config();
    let service = &mut config.shared.virtual_services[1];
    service.port = 0;
    service.unavailable.redirect = "x".repeat(1024);
    service.unavailable.page = "<p>\r\n\tgone</p>".into();
    service.pre_authentication.message = "a\nb".into();
    service.tls.certificates = vec!["x".into(); 257];
    config.unit.interfaces[0].made_of =
        crate::MadeOf::Vlan(crate::Vlan { parent: crate::InterfaceName("eth1".into()), id: 4095 });
    let mut findings = Findings::default();
    check(settings(), &serde_json::to_value(&config).unwrap(), "", &mut findings);
    let said: Vec<String> = findings.into_list().iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "shared.virtual_services[1].port: 0 is not a port: 1 to 65535",
            "shared.virtual_services[1].tls.certificates: 257 certificates are too many: up to 256",
            "shared.virtual_services[1].unavailable.redirect: redirect URL: up to 1023 characters, not 1024",
            "shared.virtual_services[1].pre_authentication.message: form greeting message: no line breaks or other control characters",
            "unit.interfaces[0].made_of.vlan.id: 4095 is not a VLAN id: 1 to 4094",
        ]
    );
}

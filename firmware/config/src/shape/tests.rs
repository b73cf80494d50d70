use super::*;
use std::collections::BTreeSet;

#[test]
fn every_setting_is_described() {
    let all = leaves(settings());
    assert!(all.len() > 300, "{} settings are too few: the tree is not read", all.len());
    for Leaf { path, field, .. } in &all {
        assert!(!field.title.is_empty(), "{path} has no title");
        assert!(field.help.ends_with(['.', '`']), "{path} is not explained in sentences: {:?}", field.help);
        assert!(!field.title.ends_with('.'), "{path}: a title is no sentence: {}", field.title);
    }
    let paths: BTreeSet<&str> = all.iter().map(|leaf| leaf.path.as_str()).collect();
    assert_eq!(paths.len(), all.len(), "a path stands for two settings");
}

#[test]
fn every_choice_has_words_for_each_of_its_values() {
    fn look(shape: &Shape, at: &str) {
        match shape {
            Shape::Choice(variants) => {
                assert!(variants.len() > 1, "{at} has no choice");
                for variant in variants {
                    assert!(!variant.title.is_empty() && !variant.help.is_empty(), "{at}.{}", variant.name);
                    if let Some(content) = &variant.content {
                        look(content, &format!("{at}.{}", variant.name));
                    }
                }
            }
            Shape::Group(group) => {
                for field in &group.fields {
                    look(&field.shape, &format!("{at}.{}", field.name));
                }
            }
            Shape::List(list) => {
                look(&list.of, at);
                if let Shape::Group(group) = &*list.of {
                    assert!(!group.labels.is_empty(), "the objects of {at} have no name");
                }
            }
            Shape::Switch | Shape::Number(_) | Shape::Text(_) => {}
        }
    }
    for field in &settings().fields {
        look(&field.shape, &field.name);
    }
}

#[test]
fn every_number_has_a_range_that_its_default_is_in() {
    for Leaf { path, field, .. } in leaves(settings()) {
        let Shape::Number(number) = &field.shape else { continue };
        let is_id = ["id", "follows"].contains(&field.name.as_str());
        assert!(number.max < u64::from(u32::MAX) || is_id, "{path} has no range");
        if let Some(default) = field.default.as_ref().and_then(serde_json::Value::as_u64) {
            assert!(number.holds(default), "{path}: {default} is no good default");
        }
    }
}

#[test]
fn every_text_and_every_list_is_bounded() {
    fn look(shape: &Shape, at: &str) {
        match shape {
            // Names of interfaces and hosts, hashes and addresses have rules of their own.
            Shape::Text(text) => {
                let own = ["hostname", "own", "password", "name", "parent", "ports", "interfaces"];
                let is_own = own.iter().any(|it| at.ends_with(it));
                assert!(text.longest.is_some() || !text.format.is_empty() || is_own, "{at} is unbounded");
            }
            Shape::List(list) => {
                assert!(list.most.is_some(), "{at} is an unbounded list");
                look(&list.of, at);
            }
            Shape::Group(group) => {
                for field in &group.fields {
                    look(&field.shape, &format!("{at}.{}", field.name));
                }
            }
            Shape::Choice(variants) => {
                for (variant, content) in variants.iter().filter_map(|it| Some((it, it.content.as_ref()?))) {
                    look(content, &format!("{at}.{}", variant.name));
                }
            }
            Shape::Switch | Shape::Number(_) => {}
        }
    }
    for field in &settings().fields {
        look(&field.shape, &field.name);
    }
}

#[test]
fn titles_are_fitted_into_sentences() {
    assert_eq!(within_a_sentence("Check interval"), "check interval");
    assert_eq!(within_a_sentence("MTU"), "MTU");
    assert_eq!(within_a_sentence("IPv4"), "IPv4");
}

#[test]
fn what_the_data_path_does_is_active_and_the_rest_says_that_it_is_not() {
    let all = leaves(settings());
    let is_active =
        |path: &str| all.iter().find(|leaf| leaf.path == path).unwrap_or_else(|| panic!("{path}")).is_active;
    for path in [
        "shared.virtual_services[].scheduler",
        "shared.virtual_services[].check.kind.http.path",
        "shared.virtual_services[].timeouts.idle_s",
        "shared.virtual_services[].real_servers[].weight",
        "unit.interfaces[].ipv4.static.address",
    ] {
        assert!(is_active(path), "{path}");
    }
    for path in [
        "shared.virtual_services[].tls.to_clients",
        "shared.virtual_services[].check.kind.https.path",
        "shared.virtual_services[].sub_services[].real_servers[].port",
        "shared.geo.names[].ttl_s",
        "unit.pair.mode",
    ] {
        assert!(!is_active(path), "{path}");
    }
}

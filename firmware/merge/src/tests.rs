use super::*;
use proptest::prelude::*;
use serde_json::json;

/// The merge of three lists in a field `l`, as text; and the conflicts.
fn merged(base: &Value, ours: &Value, theirs: &Value) -> (String, Vec<String>) {
    let Merged { value, conflicts } = merge(base, ours, theirs, Favour::Ours);
    let told = conflicts.iter().map(|one| format!("{} {:?}", one.path, one.kind)).collect();
    (value.to_string(), told)
}

/// Elements of these ids, each with its id as `x` unless something else is given.
fn list(elements: &[(u64, u64)]) -> Value {
    Value::Array(elements.iter().map(|(id, x)| json!({"id": id, "x": x})).collect())
}

fn ids(value: &Value) -> Vec<u64> {
    value.as_array().unwrap().iter().map(|element| element["id"].as_u64().unwrap()).collect()
}

#[test]
fn what_one_side_changed_is_taken() {
    let cases = [
        (
            "a field",
            json!({"a": 1, "b": 2}),
            json!({"a": 5, "b": 2}),
            json!({"a": 1, "b": 6}),
            json!({"a": 5, "b": 6}),
        ),
        ("a field that is new", json!({}), json!({"a": 1}), json!({"b": 2}), json!({"a": 1, "b": 2})),
        (
            "a field that goes",
            json!({"a": 1, "b": 2}),
            json!({"b": 2}),
            json!({"a": 1, "b": 3}),
            json!({"b": 3}),
        ),
        (
            "a field of an element",
            json!([{"id": 1, "a": 1, "b": 2}]),
            json!([{"id": 1, "a": 3, "b": 2}]),
            json!([{"id": 1, "a": 1, "b": 4}]),
            json!([{"id": 1, "a": 3, "b": 4}]),
        ),
        (
            "elements by name",
            json!([{"name": "eth0", "mtu": null}]),
            json!([{"name": "eth0", "mtu": 9000}]),
            json!([{"name": "eth0", "mtu": null}, {"name": "eth1", "mtu": 1500}]),
            json!([{"name": "eth0", "mtu": 9000}, {"name": "eth1", "mtu": 1500}]),
        ),
        (
            "elements whose id is a word",
            json!([{"id": "tls", "x": 1}]),
            json!([{"id": "tls", "x": 2}]),
            json!([{"id": "old", "x": 0}, {"id": "tls", "x": 1}]),
            json!([{"id": "old", "x": 0}, {"id": "tls", "x": 2}]),
        ),
        (
            "the same by both",
            json!({"a": 1, "l": [{"id": 1}]}),
            json!({"a": 2, "l": []}),
            json!({"a": 2, "l": []}),
            json!({"a": 2, "l": []}),
        ),
        (
            "a choice, and its field by nobody",
            json!({"kind": {"http": {"path": "/"}}, "n": 1}),
            json!({"kind": "tcp", "n": 1}),
            json!({"kind": {"http": {"path": "/"}}, "n": 2}),
            json!({"kind": "tcp", "n": 2}),
        ),
    ];
    for (what, base, ours, theirs, expected) in cases {
        for (one, other) in [(&ours, &theirs), (&theirs, &ours)] {
            let Merged { value, conflicts } = merge(&base, one, other, Favour::Ours);
            assert_eq!((value, conflicts), (expected.clone(), vec![]), "{what}");
        }
    }
}

#[test]
fn a_conflict_is_named_by_its_path_and_the_favoured_side_wins_it() {
    let deep = |port: u16| json!({"shared": {"virtual_services": [{"id": 3, "port": port, "name": "shop"}]}});
    let without = json!({"shared": {"virtual_services": []}});
    let kind = |kind: Value| json!({"kind": kind});
    let cases = [
        (deep(80), deep(81), deep(82), "shared.virtual_services[id=3].port BothChanged"),
        (deep(80), without.clone(), deep(82), "shared.virtual_services[id=3] OursDeleted"),
        (deep(80), deep(81), without, "shared.virtual_services[id=3] TheirsDeleted"),
        (
            json!({"u": []}),
            json!({"u": [{"name": "b", "x": 1}]}),
            json!({"u": [{"name": "b", "x": 2}]}),
            "u[name=b] BothChanged",
        ),
        (json!({"dns": [1]}), json!({"dns": [1, 2]}), json!({"dns": [3]}), "dns BothChanged"),
        // Never an object that is both.
        (kind(json!({"http": 1})), kind(json!({"tcp": 1})), kind(json!({"script": 1})), "kind BothChanged"),
        (kind(json!({"http": 1})), kind(json!({"http": 2})), kind(json!({"script": 1})), "kind BothChanged"),
        (json!(1), json!(2), json!(3), " BothChanged"),
    ];
    for (base, ours, theirs, expected) in cases {
        let (_, told) = merged(&base, &ours, &theirs);
        assert_eq!(told, [expected]);
        assert_eq!(merge(&base, &ours, &theirs, Favour::Ours).value, ours, "{expected}");
        assert_eq!(merge(&base, &ours, &theirs, Favour::Theirs).value, theirs, "{expected}");
        assert_eq!(merge_or_refuse(&base, &ours, &theirs).unwrap_err().len(), 1);
    }
}

#[test]
fn the_order_of_a_list_is_that_of_the_side_that_changed_it() {
    let of = |ids: &[u64]| list(&ids.iter().map(|id| (*id, *id)).collect::<Vec<_>>());
    let cases: [(&str, [&[u64]; 4]); 9] = [
        ("an element comes back where it was", [&[1, 3], &[1, 3, 4], &[1, 2, 3], &[1, 2, 3, 4]]),
        ("the first one, too", [&[2, 3], &[2, 3, 4], &[1, 2, 3], &[1, 2, 3, 4]]),
        ("both add at the end", [&[1], &[1, 3], &[1, 2], &[1, 2, 3]]),
        ("both add in front", [&[9], &[2, 9], &[1, 9], &[1, 2, 9]]),
        ("one adds several in its own order", [&[1], &[1, 7, 5], &[1], &[1, 7, 5]]),
        ("one moves, the other adds", [&[1, 2, 3], &[3, 2, 1], &[1, 2, 3, 4], &[3, 4, 2, 1]]),
        ("one moves, the other deletes", [&[1, 2, 3], &[3, 2, 1], &[1, 3], &[3, 1]]),
        ("both move alike", [&[1, 2, 3], &[3, 2, 1], &[3, 2, 1, 4], &[3, 2, 1, 4]]),
        ("both add the same, at two places", [&[1, 2], &[1, 9, 2], &[1, 2, 9], &[1, 9, 2]]),
    ];
    for (what, [base, ours, theirs, expected]) in cases {
        for (one, other) in [(ours, theirs), (theirs, ours)] {
            let Merged { value, conflicts } = merge(&of(base), &of(one), &of(other), Favour::Ours);
            assert_eq!((ids(&value).as_slice(), conflicts), (expected, vec![]), "{what}");
        }
    }
}

#[test]
fn two_orders_are_a_conflict_and_nothing_is_lost_in_it() {
    let of = |ids: &[u64]| list(&ids.iter().map(|id| (*id, *id)).collect::<Vec<_>>());
    let (base, ours, theirs) = (of(&[1, 2, 3]), of(&[2, 1, 3]), of(&[3, 1, 2, 4]));
    let favoured = merge(&base, &ours, &theirs, Favour::Ours);
    assert_eq!((ids(&favoured.value), favoured.conflicts.len()), (vec![2, 4, 1, 3], 1));
    assert_eq!(favoured.conflicts[0].kind, Kind::BothReordered);
    assert_eq!(ids(&merge(&base, &ours, &theirs, Favour::Theirs).value), [3, 1, 2, 4]);
}

#[test]
fn whether_orders_are_in_conflict_does_not_depend_on_who_is_favoured() {
    let base = list(&[(3, 0), (5, 0), (6, 0)]);
    // One deletes what the other changes, and both move the rest alike.
    let (ours, theirs) = (list(&[(6, 0), (5, 0)]), list(&[(6, 0), (5, 0), (3, 1)]));
    for (favour, expected) in [(Favour::Ours, vec![6, 5]), (Favour::Theirs, vec![6, 5, 3])] {
        let Merged { value, conflicts } = merge(&base, &ours, &theirs, favour);
        assert_eq!((ids(&value), conflicts.len()), (expected, 1));
        assert_eq!(conflicts[0].kind, Kind::OursDeleted);
    }
}

#[test]
fn lists_without_identities_are_taken_whole() {
    let cases = [
        (
            json!([{"id": 1, "x": 1}, {"id": 1, "x": 2}]),
            json!([{"id": 1, "x": 9}]),
            json!([]),
            "two with one id",
        ),
        (json!([{"x": 1}]), json!([{"x": 2}]), json!([{"x": 3}]), "none at all"),
        (json!([1, 2]), json!([2, 1]), json!([1]), "numbers"),
        (json!([{"id": -1}]), json!([{"id": -2}]), json!([{"id": 1.5}]), "ids that are none"),
    ];
    for (base, ours, theirs, what) in cases {
        let Merged { value, conflicts } = merge(&base, &ours, &theirs, Favour::Theirs);
        assert_eq!((value, conflicts.len()), (theirs, 1), "{what}");
    }
}

#[test]
fn a_path_finds_its_place_and_the_object_around_it() {
    let value = json!({"shared": {"virtual_services": [{"id": 3, "check": {"port": 7}}]}});
    let changed = json!({"shared": {"virtual_services": [{"id": 3, "check": {"port": 8}}]}});
    let third = json!({"shared": {"virtual_services": [{"id": 3, "check": {"port": 9}}]}});
    let path = merge(&value, &changed, &third, Favour::Ours).conflicts.remove(0).path;
    assert_eq!(path.to_string(), "shared.virtual_services[id=3].check.port");
    assert_eq!(path.find(&value), Some(&json!(7)));
    assert_eq!(path.find(&json!({"shared": {"virtual_services": []}})), None);
    assert_eq!(path.object().unwrap().to_string(), "shared.virtual_services[id=3]");
    assert_eq!(Path::default().object(), None);
}

/// A value that looks like settings: fields, a choice, a plain list, elements with ids and in them elements with names.
fn settings() -> impl Strategy<Value = Value> {
    let inner = prop::collection::vec((0_u8..3, 0_u8..3), 0..3).prop_map(|elements| {
        let mut seen = BTreeSet::new();
        let unique = elements.into_iter().filter(|(name, _)| seen.insert(*name));
        Value::Array(unique.map(|(name, x)| json!({"name": format!("n{name}"), "x": x})).collect())
    });
    let element = (0_u64..6, 0_u8..3, 0_u8..3, inner);
    let elements = prop::collection::vec(element, 0..5).prop_map(|elements| {
        let mut seen = BTreeSet::new();
        let unique = elements.into_iter().filter(|(id, ..)| seen.insert(*id));
        Value::Array(
            unique.map(|(id, x, y, inner)| json!({"id": id, "x": x, "y": y, "inner": inner})).collect(),
        )
    });
    let choice = prop_oneof![
        Just(json!("tcp")),
        (0_u8..3).prop_map(|path| json!({"http": {"path": path}})),
        (0_u8..3).prop_map(|path| json!({"script": {"path": path}})),
    ];
    (0_u8..3, choice, prop::collection::vec(0_u8..3, 0..3), elements).prop_map(
        |(field, kind, plain, elements)| json!({"field": field, "kind": kind, "plain": plain, "elements": elements}),
    )
}

/// Any JSON.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0_u8..4).prop_map(Value::from),
        "[a-c]".prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let key = prop_oneof![Just("id"), Just("name"), Just("a"), Just("b")];
        let object = prop::collection::btree_map(key.prop_map(String::from), inner.clone(), 0..4);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::Array),
            object.prop_map(|object| Value::Object(object.into_iter().collect())),
        ]
    })
}

fn paths(conflicts: &[Conflict]) -> Vec<&Path> {
    conflicts.iter().map(|conflict| &conflict.path).collect()
}

fn check_laws(base: &Value, ours: &Value, theirs: &Value) -> Result<(), TestCaseError> {
    // Who changed nothing has nothing to say.
    prop_assert_eq!(
        merge(base, base, theirs, Favour::Ours),
        Merged { value: theirs.clone(), conflicts: vec![] }
    );
    prop_assert_eq!(
        merge(base, ours, base, Favour::Theirs),
        Merged { value: ours.clone(), conflicts: vec![] }
    );
    // Who agree, agree.
    prop_assert_eq!(merge(base, ours, ours, Favour::Ours), Merged { value: ours.clone(), conflicts: vec![] });
    let one = merge(base, ours, theirs, Favour::Ours);
    let other = merge(base, theirs, ours, Favour::Ours);
    prop_assert_eq!(paths(&one.conflicts), paths(&other.conflicts), "both ways the same conflicts");
    if one.conflicts.is_empty() {
        prop_assert_eq!(&one.value, &other.value, "without a conflict it does not matter who is first");
        prop_assert_eq!(&merge(base, ours, theirs, Favour::Theirs).value, &one.value);
    }
    // The favoured side stays so when the sides change places.
    prop_assert_eq!(&merge(base, theirs, ours, Favour::Theirs).value, &one.value);
    for conflict in one.conflicts.iter().filter(|conflict| conflict.kind != Kind::BothReordered) {
        prop_assert_eq!(conflict.path.find(&one.value), conflict.path.find(ours), "{}", conflict.path);
    }
    Ok(())
}

proptest! {
    #[test]
    fn settings_are_merged_by_the_laws(base in settings(), ours in settings(), theirs in settings()) {
        check_laws(&base, &ours, &theirs)?;
        // Every element is one of a side, and is there once.
        let value = merge(&base, &ours, &theirs, Favour::Ours).value;
        let merged = ids(&value["elements"]);
        let known: BTreeSet<u64> = [&ours, &theirs].iter().flat_map(|side| ids(&side["elements"])).collect();
        prop_assert_eq!(merged.iter().copied().collect::<BTreeSet<_>>().len(), merged.len());
        prop_assert!(merged.iter().all(|id| known.contains(id)));
        // What nobody deleted is there.
        for id in ids(&base["elements"]) {
            let stays = ids(&ours["elements"]).contains(&id) && ids(&theirs["elements"]).contains(&id);
            prop_assert!(!stays || merged.contains(&id));
        }
    }

    #[test]
    fn any_values_are_merged_by_the_laws(base in anything(), ours in anything(), theirs in anything()) {
        check_laws(&base, &ours, &theirs)?;
    }

    #[test]
    fn a_change_that_nobody_touched_since_is_taken_back_exactly(before in settings(), after in settings()) {
        let undone = merge_or_refuse(&after, &after, &before);
        prop_assert_eq!(undone.unwrap(), before);
    }
}

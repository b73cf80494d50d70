//! Bill and list of this very tree.

use std::time::Duration;

use super::*;
use crate::shop::Reporter;

struct Silent;

impl Reporter for Silent {
    fn say(&self, _: &str) {}
    fn still(&self, _: &str, _: Duration, _: &Path) {}
}

#[test]
fn bill_and_list_of_this_tree_name_all_that_is_in_a_unit_and_come_out_the_same_twice() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let shop = Shop {
        workspace: Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."),
        cache: at("cache"),
        work: at("work"),
        programs: at("work/cargo"),
        locked: true,
        reporter: &Silent,
    };
    fs::write(at("config"), "CONFIG_X=y\n").unwrap();
    let kernel = Kernel { image: at("entry/bzImage"), config: at("config"), version: "6.12.1".into() };
    let tools = crate::toolchain::here().unwrap();
    let write = || write(&shop, folder.path(), Version([1, 2, 3, 0]), &kernel, &tools).unwrap();
    let written = write();
    let read = || written.iter().map(|path| fs::read_to_string(path).unwrap()).collect::<Vec<_>>();
    let first = read();
    write();
    assert_eq!(first, read());

    let [bill, list] = first.try_into().unwrap();
    for part in [
        "pkg:cargo/tokio@",
        "pkg:cargo/uefi@",
        "pkg:generic/linux@6.12.1",
        "glibc",
        "rust-std",
        "evener-uefi",
    ] {
        assert!(bill.contains(part), "{part} is not in the bill");
    }
    assert!(!bill.contains("pkg:cargo/proptest@"), "what only tests use is in no unit");
    let entries = list.lines().take_while(|line| !line.starts_with("===")).filter(|line| line.contains(": "));
    let unlicensed: Vec<&str> = entries.clone().filter(|line| line.contains("not stated")).collect();
    assert!(unlicensed.is_empty(), "{unlicensed:?}");
    assert!(entries.clone().count() > 100, "{}", entries.count());
    assert!(list.contains("Permission is hereby granted") && list.contains("Apache License"));
}

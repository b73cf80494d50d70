use super::*;
use crate::bench::{NEW, candidate, unit};
use crate::{Holds, Unit};

fn order(text: &str) -> Order {
    Order::parse(text).unwrap()
}

#[test]
fn a_file_is_read_with_the_careful_choice_where_it_says_nothing() {
    assert_eq!(order("disk = \"only\""), Order { disk: Which::Only, existing: Existing::Refuse });
    let text = "\u{feff}# which\r\ndisk = \"smallest\"\r\nexisting = \"erase\"\r\n";
    assert_eq!(order(text), Order { disk: Which::Smallest, existing: Existing::Erase });
    assert_eq!(order("disk = \"/dev/nvme0n1\"").disk, Which::Named("nvme0n1".into()));
    let like = Like { model: Some("SSD".into()), serial: None, size_gb: Some(512) };
    assert_eq!(order("disk = { model = \"SSD\", size_gb = 512 }").disk, Which::Like(like.clone()));
    assert_eq!(order("[disk]\nmodel = \"SSD\"\nsize_gb = 512\n").disk, Which::Like(like));
}

#[test]
fn what_is_wrong_is_said_with_line_and_field() {
    for (text, line, parts) in [
        ("", 1, &["disk"][..]),
        ("disk = \"first\"", 1, &["disk", "\"first\"", "\"only\", \"smallest\", \"/dev/NAME\""]),
        ("disk = \"/dev/\"", 1, &["disk"]),
        ("disk = \"/dev/../etc\"", 1, &["disk"]),
        ("\n\ndisk = 1", 3, &["disk", "integer"]),
        ("disk = {}", 1, &["disk", "every disk"]),
        ("disk = { size = 1 }", 1, &["size", "size_gb"]),
        ("disk = \"only\"\nexisting = \"ask\"", 2, &["existing", "ask", "refuse"]),
        ("disk = \"only\"\nforce = true", 2, &["force"]),
        ("disk = \"only\"\nexisting", 2, &[]),
    ] {
        let error = Order::parse(text).unwrap_err();
        assert_eq!(error.line, line, "{text:?}: {error}");
        let words = error.to_string();
        assert!(parts.iter().all(|part| words.contains(part)), "{text:?}: {words}");
    }
}

#[test]
fn the_only_disk_is_the_only_one_that_can_be_installed() {
    let stick = Candidate { is_own: true, ..candidate("sda", Holds::Stick) };
    let small = Candidate { sectors: 1000, ..candidate("sdb", Holds::Nothing) };
    let free = candidate("sdc", Holds::Nothing);
    let disks = [stick.clone(), small.clone(), free.clone()];
    assert_eq!(order("disk = \"only\"").choose(&disks, NEW), Ok(Chosen { index: 2, how: How::Erase }));
    let none = order("disk = \"only\"").choose(&disks[..2], NEW);
    assert_eq!(none, Err(NoChoice::None("disk = \"only\"".into())));
    let two = order("disk = \"only\"").choose(&[free, candidate("sdd", Holds::Nothing)], NEW).unwrap_err();
    assert_eq!(two.to_string(), "disk = \"only\" fits 2 disks: sdc, sdd");
}

#[test]
fn the_smallest_disk_is_taken_unless_two_are() {
    let of = |name: &str, sectors| Candidate { sectors, ..candidate(name, Holds::Nothing) };
    let disks = [of("sda", 9_000_000), of("sdb", 4_000_000), of("sdc", 1000)];
    assert_eq!(order("disk = \"smallest\"").choose(&disks, NEW), Ok(Chosen { index: 1, how: How::Erase }));
    let twins = [of("sda", 4_000_000), of("sdb", 4_000_000)];
    let refused = order("disk = \"smallest\"").choose(&twins, NEW);
    assert!(matches!(refused, Err(NoChoice::Several { ref names, .. }) if names == &["sda", "sdb"]));
}

#[test]
fn a_disk_is_found_by_what_it_says_of_itself() {
    let disks = [
        Candidate {
            model: "Samsung SSD 970".into(),
            sectors: 1_000_215_216,
            ..candidate("nvme0n1", Holds::Nothing)
        },
        Candidate { serial: "QM1 ".into(), ..candidate("sda", Holds::Nothing) },
        Candidate { is_own: true, model: "Samsung stick".into(), ..candidate("sdb", Holds::Stick) },
    ];
    for (text, expected) in [
        ("{ model = \"samsung\" }", Some(0)),
        ("{ size_gb = 512 }", Some(0)),
        ("{ size_gb = 480 }", Some(0)),
        ("{ size_gb = 400 }", None),
        ("{ serial = \"QM1\" }", Some(1)),
        ("{ serial = \"QM\" }", None),
        ("{ model = \"samsung\", serial = \"QM1\" }", None),
        ("\"/dev/sda\"", Some(1)),
        ("\"/dev/sdz\"", None),
    ] {
        let found = order(&format!("disk = {text}")).choose(&disks, NEW).ok().map(|chosen| chosen.index);
        assert_eq!(found, expected, "{text}");
    }
    let stick = order("disk = \"/dev/sdb\"").choose(&disks, NEW).unwrap_err();
    assert!(stick.to_string().contains("started from"), "{stick}");
}

#[test]
fn what_a_disk_holds_is_lost_only_where_the_file_says_so() {
    let broken_off = Holds::Unit(Unit { version: None, configured: false, ..unit() });
    let cut_off = Holds::Unit(Unit { version: None, ..unit() });
    let cases = [
        (Holds::Nothing, "refuse", Some(How::Erase)),
        (Holds::Nothing, "keep", Some(How::Erase)),
        (broken_off, "refuse", Some(How::Erase)),
        (Holds::Unit(unit()), "refuse", None),
        (Holds::Unit(unit()), "keep", Some(How::Keep)),
        (Holds::Unit(unit()), "erase", Some(How::Erase)),
        (cut_off.clone(), "refuse", None),
        (cut_off, "keep", Some(How::Keep)),
        (Holds::Other("x"), "refuse", None),
        (Holds::Other("x"), "keep", None),
        (Holds::Other("x"), "erase", Some(How::Erase)),
        (Holds::Unit(Unit { same_layout: false, ..unit() }), "keep", None),
        (Holds::Unreadable("x".into()), "erase", None),
    ];
    for (holds, existing, expected) in cases {
        let order = order(&format!("disk = \"/dev/sda\"\nexisting = \"{existing}\""));
        let chosen = order.choose(&[candidate("sda", holds.clone())], NEW);
        assert_eq!(
            chosen.clone().ok().map(|chosen| chosen.how),
            expected,
            "{holds:?} {existing}: {chosen:?}"
        );
    }
}

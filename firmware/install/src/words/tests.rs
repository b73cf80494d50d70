use super::*;
use crate::bench::{NEW, candidate, unit};
use crate::{Answer, Holds, Unit, parse_answer};

fn disks() -> Vec<(usize, Candidate)> {
    let disks = vec![
        Candidate { is_own: true, removable: true, ..candidate("sda", Holds::Stick) },
        candidate("sdb", Holds::Nothing),
        Candidate { sectors: 9000, ..candidate("sdc", Holds::Nothing) },
        candidate("nvme0n1", Holds::Unit(unit())),
        candidate("sdd", Holds::Unit(Unit { version: None, floor: None, ..unit() })),
        Candidate {
            model: "\u{1b}[2J1 erase".into(),
            serial: "x".repeat(99),
            ..candidate("sde", Holds::Other("data"))
        },
        Candidate { model: String::new(), serial: String::new(), ..candidate("sdf", Holds::Nothing) },
    ];
    (1..).zip(disks).collect()
}

#[test]
fn a_list_has_numbers_for_what_can_be_installed_and_reasons_for_the_rest() {
    let text = list(&disks(), NEW);
    for words in [
        "   -  sda         2.0 GB  ATA     QEMU HARDDISK [S-sda], removable\n        not offered: the stick that",
        "   2  sdb         2.0 GB  ATA     QEMU HARDDISK [S-sdb]\n        holds: nothing\n",
        "   -  sdc         4.6 MB  ATA     QEMU HARDDISK [S-sdc]\n        not offered: too small",
        "   4  nvme0n1     2.0 GB  ATA     QEMU HARDDISK [S-nvme0n1]\n        holds: Evener 3.1.0, with a configuration\n        its",
        "holds: Evener, which would not start, with a configuration\n   6",
    ] {
        assert!(text.contains(words), "{words}\nin\n{text}");
    }
    assert!(!text.contains("There is no disk") && !text.contains('\u{1b}'), "{text}");
    assert!(list(&disks()[..1], NEW).contains("There is no disk here"));
    assert!(list(&[], NEW).contains("There is no disk here"));
}

#[test]
fn no_line_that_is_shown_is_an_answer() {
    let mut meter = Meter::default();
    let progress: Vec<_> = (0..=100).filter_map(|percent| meter.line(Step::Writing, percent)).collect();
    let mut all = vec![list(&disks(), NEW), question().to_owned(), progress.join("\n")];
    for said in ["1", "1 x", "x erase", "yes", "1 erase now"] {
        let Answer::Unclear(words) = parse_answer(said) else { panic!("{said}") };
        all.push(words);
    }
    for line in all.iter().flat_map(|text| text.lines()) {
        let answer = parse_answer(line);
        assert!(matches!(answer, Answer::Nothing | Answer::Unclear(_)), "{line:?} is {answer:?}");
    }
}

#[test]
fn lines_fit_a_screen() {
    let text = format!("{}{}", list(&disks()[..5], NEW), question());
    let longest = text.lines().max_by_key(|line| line.chars().count()).unwrap();
    assert!(longest.chars().count() < 80, "{longest}");
}

#[test]
fn progress_is_a_line_for_each_tenth_of_each_step() {
    let mut meter = Meter::default();
    let lines: Vec<String> = [Step::Writing, Step::Checking]
        .into_iter()
        .flat_map(|step| (0..=100).map(move |percent| (step, percent)))
        .filter_map(|(step, percent)| meter.line(step, percent))
        .collect();
    assert_eq!(lines.len(), 22);
    assert_eq!((lines[0].as_str(), lines[10].as_str()), ("  writing     0 %", "  writing   100 %"));
    assert_eq!(lines[21], "  checking  100 %");
}

#[test]
fn sizes_are_those_of_the_label() {
    for (sectors, expected) in [
        (0, "0.0 MB"),
        (65_536, "33.5 MB"),
        (4_000_000, "2.0 GB"),
        (1_000_215_216, "512.1 GB"),
        (7_814_037_168, "4.0 TB"),
        (u64::MAX, "18446744.0 TB"),
    ] {
        assert_eq!(decimal_size(sectors), expected);
    }
}

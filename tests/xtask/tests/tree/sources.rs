//! House style that a program can see.

use crate::{expect_none, files};

/// Longest file, in lines that are not tests.
const MAX_LINES: usize = 500;
/// Longer files, each with its reason.
const LONG_FILES: [(&str, &str); 0] = [];
/// This folder names what it forbids.
const SELF: &str = "tests/xtask/tests/tree/";

fn rust() -> Vec<(String, String)> {
    files(&["rs"])
}

/// The part before the inline test module.
fn without_tests(text: &str) -> &str {
    text.split("\n#[cfg(test)]\nmod tests").next().unwrap_or(text)
}

#[test]
fn every_source_file_says_what_it_is_for() {
    // `foo/tests.rs` is the test module of `foo.rs`, which has said it.
    let files = rust().into_iter().filter(|(file, _)| !file.ends_with("/tests.rs"));
    let silent = files.filter(|(_, text)| !text.starts_with("//!"));
    let words = |(file, _): (String, String)| format!("{file}: opens without //!");
    expect_none(&silent.map(words).collect::<Vec<_>>());
}

#[test]
fn no_source_file_is_too_long_to_read() {
    let mut complaints = Vec::new();
    for (file, text) in rust() {
        let lines = without_tests(&text).lines().count();
        let listed = LONG_FILES.iter().any(|(name, _)| *name == file);
        if (lines > MAX_LINES) != listed {
            complaints.push(format!("{file}: {lines} lines; the limit is {MAX_LINES}, listed: {listed}"));
        }
    }
    expect_none(&complaints);
}

#[test]
fn no_test_is_switched_off_or_expects_a_panic() {
    let mut complaints = Vec::new();
    for (file, text) in rust().into_iter().filter(|(file, _)| !file.starts_with(SELF)) {
        for forbidden in ["#[ignore", "#[should_panic", "todo!(", "unimplemented!("] {
            if text.lines().any(|line| line.trim_start().starts_with(forbidden)) {
                complaints.push(format!("{file}: {forbidden}"));
            }
        }
    }
    expect_none(&complaints);
}

#[test]
fn what_is_left_to_do_is_not_left_in_the_text() {
    let mut complaints = Vec::new();
    for (file, text) in files(&["rs", "toml", "md", "config", "sh"]) {
        if file.starts_with(SELF) {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            for forbidden in ["TODO", "FIXME", "XXX:"] {
                if line.contains(forbidden) {
                    complaints.push(format!("{file}:{}: {forbidden}", number + 1));
                }
            }
        }
    }
    expect_none(&complaints);
}

#[test]
fn no_test_name_says_that_it_is_a_test() {
    let mut complaints = Vec::new();
    for (file, text) in rust() {
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let attribute = line.trim();
            if attribute == "#[test]" || attribute.starts_with("#[tokio::test") {
                let name = lines.next().unwrap_or_default().trim();
                if name.contains("fn test_") {
                    complaints.push(format!("{file}: {name}"));
                }
            }
        }
    }
    expect_none(&complaints);
}

#[test]
fn unsafe_code_is_only_where_the_machine_begins() {
    let allowed = ["firmware/sys/", "firmware/evener/", "bootloader/uefi/", "bootloader/bios/"];
    let mut complaints = Vec::new();
    for (file, text) in rust() {
        let has = text.lines().any(|line| {
            let code = line.split("//").next().unwrap_or_default();
            code.contains("unsafe {") || code.contains("unsafe fn") || code.contains("unsafe impl")
        });
        if has && !file.starts_with(SELF) && !allowed.iter().any(|folder| file.starts_with(folder)) {
            complaints.push(format!("{file}: unsafe"));
        }
    }
    expect_none(&complaints);
}

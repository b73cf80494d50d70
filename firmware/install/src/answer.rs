//! What a person at a console answers.
//!
//! The answer names the disk and says what becomes of it in one line, so that one question is enough and nothing is
//! erased by a single key. A serial line may carry anything, also an echo of what the installer itself printed: no line
//! that it prints is an answer, which a test holds against every text there is.

use crate::How;

/// What a line means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Install the disk with this number in the list, from 1.
    Install {
        /// Its number.
        number: usize,
        /// What becomes of what it holds.
        how: How,
    },
    /// Show the list again.
    List,
    /// Switch the machine off.
    Off,
    /// Nothing: an empty line, or noise.
    Nothing,
    /// It is not understood; why, in words.
    Unclear(String),
}

/// Longest line that may be an answer, in bytes.
const LONGEST: usize = 40;

/// Reads one line.
#[must_use]
pub fn parse_answer(line: &str) -> Answer {
    let line = line.trim();
    // Noise is not argued with: the other end of the line may be a machine that answers each word with another.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b' ';
    if line.is_empty() || line.len() > LONGEST || !line.bytes().all(plain) {
        return Answer::Nothing;
    }
    let lower = line.to_ascii_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let how = |word: &str| match word {
        "erase" => Some(How::Erase),
        "keep" => Some(How::Keep),
        _ => None,
    };
    match words.as_slice() {
        ["list"] => Answer::List,
        ["off"] => Answer::Off,
        [number, word] => match (number.parse(), how(word)) {
            (Ok(number), Some(how)) => Answer::Install { number, how },
            (Ok(_), None) => {
                Answer::Unclear(format!("What is to become of it? Not {word}, but erase or keep."))
            }
            (Err(_), Some(_)) => Answer::Unclear(format!("{number} is no number of the list.")),
            (Err(_), None) => unclear(line),
        },
        [number] if number.parse::<usize>().is_ok() => Answer::Unclear(format!(
            "Say what is to become of disk {number} too: erase or keep, behind the number."
        )),
        _ => unclear(line),
    }
}

fn unclear(line: &str) -> Answer {
    Answer::Unclear(format!("That is not understood: {line:?}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_and_word_are_an_answer_in_any_case_and_spacing() {
        for (line, expected) in [
            ("1 erase", Answer::Install { number: 1, how: How::Erase }),
            ("  12   KEEP \r", Answer::Install { number: 12, how: How::Keep }),
            ("list", Answer::List),
            ("Off", Answer::Off),
            ("", Answer::Nothing),
            (" \r", Answer::Nothing),
        ] {
            assert_eq!(parse_answer(line), expected, "{line:?}");
        }
    }

    #[test]
    fn half_an_answer_is_explained_and_does_nothing() {
        for (line, part) in [
            ("1", "erase or keep"),
            ("1 format", "Not format"),
            ("sda erase", "sda is no number"),
            ("erase", "not understood"),
            ("yes", "not understood"),
            ("1 erase now", "not understood"),
            ("99999999999999999999 erase", "is no number"),
        ] {
            let Answer::Unclear(words) = parse_answer(line) else { panic!("{line:?} is an answer") };
            assert!(words.contains(part), "{line:?}: {words}");
        }
    }

    #[test]
    fn noise_and_what_is_quoted_are_not_answered() {
        let long = format!("{:>41}", "1") + " erase";
        for line in
            ["\u{1b}[1;1R", "\"1 erase\"", "1 erase.", "- 1 erase", "été", "\0\0", &"x".repeat(41), &long]
        {
            let trimmed_is_fine = line.trim() == "1 erase";
            assert!(trimmed_is_fine || parse_answer(line) == Answer::Nothing, "{line:?}");
        }
    }
}

//! What the person at the console must read.

use std::fmt::Write;
use std::net::IpAddr;

/// The first password in a frame, with the addresses of the pages.
pub(crate) fn first_password(addresses: &[IpAddr], port: u16, password: &str) -> String {
    let mut lines =
        vec!["This unit has its first password. Log in and choose your own:".to_owned(), String::new()];
    for address in addresses {
        let host = match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        lines.push(format!("    https://{host}:{port}/"));
    }
    if addresses.is_empty() {
        lines.push("    (no address yet: is a network cable plugged in?)".into());
    }
    // The file belongs to control; what it holds still may not break out of the frame.
    let password: String =
        password.trim().chars().filter(|character| character.is_ascii_graphic()).take(64).collect();
    lines.extend([String::new(), "    user      bal".into(), format!("    password  {password}")]);
    frame(&lines)
}

/// Longest line of running text in a frame, in characters: a screen has 80.
const WIDTH: usize = 76;

/// That this is the rescue firmware and why, in a frame: whoever is at the console may wonder where the traffic is.
pub(crate) fn rescue(warnings: &[String]) -> String {
    let mut lines = vec!["RESCUE: this unit serves no traffic.".to_owned()];
    for warning in warnings {
        lines.push(String::new());
        lines.extend(wrapped(warning));
    }
    frame(&lines)
}

/// The words of a text in lines.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn frame(lines: &[String]) -> String {
    let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    let edge = format!("+-{}-+\n", "-".repeat(width));
    let mut framed = format!("\n{edge}");
    for line in lines {
        // Writing to a String cannot fail.
        let _ = writeln!(framed, "| {line:width$} |");
    }
    framed.push_str(&edge);
    framed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_frame_with_addresses_user_and_password() {
        let addresses = ["10.0.2.15".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        let text = first_password(&addresses, 8443, "k7mw-2qxd\u{1b}[2J\n");
        for part in [
            "https://10.0.2.15:8443/",
            "https://[2001:db8::1]:8443/",
            "user      bal",
            "password  k7mw-2qxd[2J ",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let widths: Vec<usize> = text.trim().lines().map(|line| line.chars().count()).collect();
        assert!(widths.windows(2).all(|pair| pair[0] == pair[1]), "{text}");
    }

    #[test]
    fn rescue_says_why_on_lines_that_fit() {
        let why = "The unit started from slot R because the firmware that came first was refused or has used up its tries.";
        let text = rescue(&[why.into(), "a".repeat(90)]);
        assert!(text.contains("RESCUE") && text.contains("no traffic"), "{text}");
        assert!(text.lines().any(|line| line.contains("The unit started from slot R")), "{text}");
        let flat: Vec<&str> = text.split_whitespace().filter(|word| *word != "|").collect();
        assert!(flat.join(" ").contains(why), "every word is there: {text}");
        let short = rescue(&[why.into()]);
        assert!(short.trim().lines().all(|line| line.chars().count() <= 80), "{short}");
    }

    #[test]
    fn says_so_without_an_address() {
        assert!(first_password(&[], 8443, "x").contains("no address yet"));
    }
}

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
    fn says_so_without_an_address() {
        assert!(first_password(&[], 8443, "x").contains("no address yet"));
    }
}

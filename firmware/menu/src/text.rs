//! Text that every terminal shows right: ASCII, at most 79 columns.

/// Columns of a line. The last one of 80 stays free: some terminals go to the next line when it is written.
pub(crate) const COLUMNS: usize = 79;
/// Most rows of what is shown between heading and prompt.
pub(crate) const ROWS: usize = 17;
/// Columns of a label.
const LABEL: usize = 15;

/// The text with a question mark in place of whatever is not printable ASCII.
pub(crate) fn ascii(text: &str) -> String {
    text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect()
}

/// A heading and a line under it.
pub(crate) fn heading(title: &str) -> String {
    let title: String = ascii(title).chars().take(COLUMNS).collect();
    format!("\r\n{title}\r\n{}\r\n", "-".repeat(COLUMNS))
}

/// Lines that fit on a screen; when there are more, the last one says so.
pub(crate) fn body(lines: &[(String, String)]) -> String {
    let mut rows = Vec::new();
    for (label, text) in lines {
        let indent = if label.is_empty() { 0 } else { LABEL + 2 };
        for (index, part) in wrapped(&ascii(text), COLUMNS - 2 - indent).into_iter().enumerate() {
            let label: String =
                if index == 0 { ascii(label).chars().take(LABEL).collect() } else { String::new() };
            rows.push(match indent {
                0 => format!("  {part}"),
                _ => format!("  {label:LABEL$}  {part}"),
            });
        }
    }
    if rows.len() > ROWS {
        rows.truncate(ROWS - 1);
        rows.push(String::from("  ... and more: the pages show all of it"));
    }
    rows.iter().flat_map(|row| [row.trim_end(), "\r\n"]).collect()
}

/// The words of a text in lines of at most `width` columns; a word that is longer is cut.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    if text.len() <= width {
        return vec![text.to_owned()];
    }
    let mut lines = vec![String::new()];
    for word in text.split_ascii_whitespace() {
        let mut rest = word;
        while !rest.is_empty() {
            let (part, after) = rest.split_at_checked(width).unwrap_or((rest, ""));
            rest = after;
            match lines.last_mut() {
                Some(line) if line.is_empty() => line.push_str(part),
                Some(line) if line.len() + 1 + part.len() <= width => {
                    line.push(' ');
                    line.push_str(part);
                }
                _ => lines.push(part.to_owned()),
            }
        }
    }
    lines
}

/// What takes so many characters from the screen again.
pub(crate) fn erased(characters: usize) -> String {
    "\u{8} \u{8}".repeat(characters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_breaks_out_of_its_line() {
        assert_eq!(ascii("a\u{1b}[2J\r\n\u{fc}"), "a?[2J???");
        let long = [("label".to_owned(), "word ".repeat(100)), (String::new(), "x".repeat(500))];
        for row in body(&long).lines() {
            assert!(row.len() <= COLUMNS && row.is_ascii(), "{row:?}");
        }
    }

    #[test]
    fn what_does_not_fit_on_a_screen_is_cut_and_said() {
        let many: Vec<_> = (0..100).map(|number| ("line".to_owned(), number.to_string())).collect();
        let text = body(&many);
        assert_eq!(text.lines().count(), ROWS);
        assert!(text.contains("and more"));
    }

    #[test]
    fn words_are_kept_whole_where_they_fit() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("", 7), [""]);
        assert_eq!(wrapped("abcdefghij kl", 7), ["abcdefg", "hij kl"]);
    }
}

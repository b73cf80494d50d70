//! The command line of `evener-image`.

use std::ffi::OsString;
use std::path::PathBuf;

/// `--help`.
pub(crate) const USAGE: &str = "\
evener-image: builds, explains and checks Evener's firmware and disk images

usage:
  evener-image build --board NAME [options]   firmware bundle and disk images
      --out DIR            where they go (default: out/ in the source tree)
      --sign-with FILE     secret key (default: the development key, made on first use)
      --release            mark as a release; refuses development keys; implies --locked
      --locked             a source other than the locked one is an error
      --kernel-source TAR  Linux source to use instead of the cached or Debian's
  evener-image kernel [--locked] [--kernel-source TAR]
                                              only the kernel
  evener-image inspect FILE [--key PUB]       says what is in a bundle, slot, raw or qcow2 disk
  evener-image verify FILE --key PUB          exit code 0 only if every signature and digest holds
  evener-image keys init [--production] [NAME]
                                              makes a key (default: the development key)

Keys are in ${XDG_CONFIG_HOME:-~/.config}/evener/keys, built kernels in ${XDG_CACHE_HOME:-~/.cache}/evener.
Exit codes: 0 done, 1 failed or not verified, 64 wrong usage.
";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    KeysInit { name: String, production: bool },
    Kernel(Build),
    Build(Build),
    Inspect { file: PathBuf, key: Option<PathBuf> },
    Verify { file: PathBuf, key: PathBuf },
}

/// Options of `build` and `kernel`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Build {
    pub(crate) board: String,
    pub(crate) out: Option<PathBuf>,
    pub(crate) sign_with: Option<PathBuf>,
    pub(crate) release: bool,
    pub(crate) locked: bool,
    pub(crate) kernel_source: Option<PathBuf>,
}

/// What is wrong with the arguments.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Usage(String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (evener-image --help)", self.0)
    }
}

/// Options with a value, flags, and what is neither, taken apart before anybody interprets them.
struct Words {
    values: Vec<(&'static str, OsString)>,
    flags: Vec<&'static str>,
    rest: Vec<OsString>,
}

impl Words {
    fn split(
        arguments: impl Iterator<Item = OsString>,
        with_value: &[&'static str],
        flags: &[&'static str],
    ) -> Result<Self, Usage> {
        let mut words = Self { values: Vec::new(), flags: Vec::new(), rest: Vec::new() };
        let mut arguments = arguments;
        while let Some(word) = arguments.next() {
            let text = word.to_str().unwrap_or_default();
            let (name, attached) = match text.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(OsString::from(value))),
                _ => (text, None),
            };
            if let Some(option) = with_value.iter().find(|option| **option == name) {
                let value = attached.or_else(|| arguments.next());
                let value = value.ok_or_else(|| Usage(format!("{name} needs a value")))?;
                if words.values.iter().any(|(before, _)| before == option) {
                    return Err(Usage(format!("{name} is given twice")));
                }
                words.values.push((option, value));
            } else if let Some(flag) = flags.iter().find(|flag| **flag == text) {
                words.flags.push(flag);
            } else if text.starts_with('-') {
                return Err(Usage(format!("unknown option {text}")));
            } else {
                words.rest.push(word);
            }
        }
        Ok(words)
    }

    fn value(&mut self, name: &str) -> Option<OsString> {
        let index = self.values.iter().position(|(option, _)| *option == name)?;
        Some(self.values.remove(index).1)
    }

    fn path(&mut self, name: &str) -> Option<PathBuf> {
        self.value(name).map(PathBuf::from)
    }

    fn flag(&self, name: &str) -> bool {
        self.flags.contains(&name)
    }

    /// Exactly one word besides the options, called `what` in errors.
    fn only(&mut self, what: &str) -> Result<OsString, Usage> {
        match (self.rest.pop(), self.rest.pop()) {
            (Some(word), None) => Ok(word),
            (None, _) => Err(Usage(format!("{what} is missing"))),
            (Some(extra), Some(_)) => Err(Usage(format!("unexpected {}", extra.display()))),
        }
    }

    fn nothing_else(&self) -> Result<(), Usage> {
        self.rest.first().map_or(Ok(()), |word| Err(Usage(format!("unexpected {}", word.display()))))
    }
}

/// Reads the arguments behind the program name.
///
/// # Errors
/// [`Usage`] in words.
pub(crate) fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Command, Usage> {
    let first = arguments.next().ok_or_else(|| Usage("no command".to_owned()))?;
    match first.to_str().unwrap_or_default() {
        "--help" | "-h" | "help" => Ok(Command::Help),
        "build" => build(arguments),
        "kernel" => kernel(arguments),
        "inspect" => {
            let mut words = Words::split(arguments, &["--key"], &[])?;
            Ok(Command::Inspect { key: words.path("--key"), file: words.only("FILE")?.into() })
        }
        "verify" => {
            let mut words = Words::split(arguments, &["--key"], &[])?;
            let key = words.path("--key").ok_or_else(|| Usage("verify needs --key PUB".to_owned()))?;
            Ok(Command::Verify { key, file: words.only("FILE")?.into() })
        }
        "keys" => keys(arguments),
        other => Err(Usage(format!("unknown command \"{other}\""))),
    }
}

fn build(arguments: impl Iterator<Item = OsString>) -> Result<Command, Usage> {
    let options = ["--board", "--out", "--sign-with", "--kernel-source"];
    let mut words = Words::split(arguments, &options, &["--release", "--locked"])?;
    words.nothing_else()?;
    let board = words.value("--board").ok_or_else(|| Usage("build needs --board NAME".to_owned()))?;
    Ok(Command::Build(Build {
        board: board.into_string().map_err(|_| Usage("--board is not text".to_owned()))?,
        out: words.path("--out"),
        sign_with: words.path("--sign-with"),
        release: words.flag("--release"),
        // What a release is made of must be what the tree names.
        locked: words.flag("--locked") || words.flag("--release"),
        kernel_source: words.path("--kernel-source"),
    }))
}

fn kernel(arguments: impl Iterator<Item = OsString>) -> Result<Command, Usage> {
    let mut words = Words::split(arguments, &["--kernel-source"], &["--locked"])?;
    words.nothing_else()?;
    Ok(Command::Kernel(Build {
        locked: words.flag("--locked"),
        kernel_source: words.path("--kernel-source"),
        ..Build::default()
    }))
}

fn keys(mut arguments: impl Iterator<Item = OsString>) -> Result<Command, Usage> {
    if arguments.next().as_deref() != Some("init".as_ref()) {
        return Err(Usage("keys has one command: init".to_owned()));
    }
    let mut words = Words::split(arguments, &[], &["--production"])?;
    let production = words.flag("--production");
    let name = match (words.rest.is_empty(), production) {
        (true, true) => return Err(Usage("keys init --production needs a NAME".to_owned())),
        (true, false) => evener_keys::DEVELOPMENT.to_owned(),
        (false, _) => words.only("NAME")?.into_string().map_err(|_| Usage("NAME is not text".to_owned()))?,
    };
    Ok(Command::KeysInit { name, production })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Command, Usage> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn build_takes_its_options_in_any_order_and_both_spellings() {
        let expected = Command::Build(Build {
            board: "qemu".to_owned(),
            out: Some("o".into()),
            release: true,
            locked: true,
            ..Build::default()
        });
        assert_eq!(words("build --board qemu --out o --release"), Ok(expected));
        assert_eq!(
            words("build --release --out=o --board=qemu"),
            words("build --board qemu --out o --release")
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, what) in [
            ("", "no command"),
            ("bild", "unknown command \"bild\""),
            ("build", "needs --board"),
            ("build --board", "--board needs a value"),
            ("build --board a --board b", "given twice"),
            ("build --board qemu --fast", "unknown option --fast"),
            ("build --board qemu extra", "unexpected extra"),
            ("inspect", "FILE is missing"),
            ("inspect a b", "unexpected b"),
            ("verify a", "needs --key"),
            ("keys", "one command: init"),
            ("keys init --production", "needs a NAME"),
        ] {
            let usage = words(line).unwrap_err().to_string();
            assert!(usage.contains(what), "{line}: {usage}");
        }
    }

    #[test]
    fn keys_init_makes_the_development_key_unless_told_otherwise() {
        let made = Command::KeysInit { name: "development".to_owned(), production: false };
        assert_eq!(words("keys init"), Ok(made));
        let made = Command::KeysInit { name: "r1".to_owned(), production: true };
        assert_eq!(words("keys init --production r1"), Ok(made));
    }
}

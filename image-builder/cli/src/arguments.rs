//! The command line of `evener-image`.

use std::ffi::OsString;
use std::path::PathBuf;

mod images;
pub(crate) use images::Convert;

/// `--help`.
pub(crate) const USAGE: &str = "\
evener-image: builds, explains and checks Evener's firmware and disk images

usage:
  evener-image build --board NAME [options]   firmware bundle and disk images of a board, of several (A,B), or of `all`
      --out DIR            where they go (default: out/ in the source tree)
      --sign-with FILE     secret key (default: the development key, made on first use)
      --sign-for PUB       leave the signature out, because this key is on another machine; no disk images
      --keyset FILE        the keys that loader and firmware trust (default: for a release
                           image-builder/keyset.toml, if there is one; else the key that signs)
      --release            mark as a release; refuses development keys; implies --locked
      --locked             a source other than the locked one is an error
      --kernel-source TAR  Linux source to use instead of the cached or Debian's
  evener-image disk BUNDLE --board NAME [--out DIR] [--key PUB]
                                              disk images of a bundle that was signed elsewhere
  evener-image kernel [--locked] [--kernel-source TAR]
                                              only the kernel
  evener-image inspect FILE [--key PUB]       says what is in a bundle, slot, or disk of any format
  evener-image verify FILE --key PUB          exit code 0 only if every signature and digest holds
  evener-image convert FILE TARGET [options]  writes a disk in another format, by the end of TARGET's name:
                                              raw, qcow2, vhd, vhdx, vmdk, ova, raw.zst
      --format NAME        the format, whatever the name
      --force              write over TARGET
      --name NAME --cpus N --memory MIB --ports N --firmware efi|bios
                           the virtual machine of an OVA (default: evener, 2, 1024, 1, efi)
  evener-image diff A B [--key PUB]           says in words how two disks, of whatever formats, or two
                                              bundles differ; exit code 0 same, 1 different, 2 failed
  evener-image sign FILE --digest             what is to be signed
  evener-image sign --key SECRET --digest HEX the signature, where the key is; needs nothing else there
  evener-image sign FILE --signature HEX|FILE [--key PUB]
                                              puts the signature in, if it is right
  evener-image keys init [--production] [NAME]
                                              makes a key (default: the development key)
  evener-image keys list                      the keys on this machine
  evener-image keys set FILE                  says what is in a keyset file, and whether it makes sense

Keys are in ${XDG_CONFIG_HOME:-~/.config}/evener/keys, built kernels in ${XDG_CACHE_HOME:-~/.cache}/evener.
Exit codes: 0 done, 1 failed or not verified, 64 wrong usage.
";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    KeysInit { name: String, production: bool },
    KeysList,
    KeysSet { file: PathBuf },
    Kernel(Build),
    Build(Build),
    Disk(Disk),
    ShowDigest { file: PathBuf },
    SignDigest { key: PathBuf, digest: String },
    PutSignatureIn { file: PathBuf, signature: String, key: Option<PathBuf> },
    Inspect { file: PathBuf, key: Option<PathBuf> },
    Verify { file: PathBuf, key: PathBuf },
    Convert(Convert),
    Diff { files: [PathBuf; 2], key: Option<PathBuf> },
}

/// Options of `build` and `kernel`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Build {
    pub(crate) board: String,
    pub(crate) out: Option<PathBuf>,
    pub(crate) sign_with: Option<PathBuf>,
    pub(crate) sign_for: Option<PathBuf>,
    pub(crate) keyset: Option<PathBuf>,
    pub(crate) release: bool,
    pub(crate) locked: bool,
    pub(crate) kernel_source: Option<PathBuf>,
}

/// Options of `disk`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Disk {
    pub(crate) bundle: PathBuf,
    pub(crate) board: String,
    pub(crate) out: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
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

    fn text(&mut self, name: &str) -> Result<Option<String>, Usage> {
        let value = self.value(name).map(OsString::into_string);
        value.transpose().map_err(|_| Usage(format!("{name} is not text")))
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

    /// Exactly two words besides the options.
    fn two(&mut self, what: [&str; 2]) -> Result<[OsString; 2], Usage> {
        match <[OsString; 2]>::try_from(std::mem::take(&mut self.rest)) {
            Ok(both) => Ok(both),
            Err(rest) => Err(Usage(match rest.get(2) {
                Some(extra) => format!("unexpected {}", extra.display()),
                None => format!("{} is missing", what.get(rest.len()).unwrap_or(&"FILE")),
            })),
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
        "disk" => disk(arguments),
        "convert" => images::convert(arguments),
        "diff" => images::diff(arguments),
        "sign" => sign(arguments),
        "keys" => keys(arguments),
        other => Err(Usage(format!("unknown command \"{other}\""))),
    }
}

fn build(arguments: impl Iterator<Item = OsString>) -> Result<Command, Usage> {
    let options = ["--board", "--out", "--sign-with", "--sign-for", "--keyset", "--kernel-source"];
    let mut words = Words::split(arguments, &options, &["--release", "--locked"])?;
    words.nothing_else()?;
    let board = words.text("--board")?.ok_or_else(|| Usage("build needs --board NAME".to_owned()))?;
    let (sign_with, sign_for) = (words.path("--sign-with"), words.path("--sign-for"));
    if sign_with.is_some() && sign_for.is_some() {
        return Err(Usage("--sign-with and --sign-for: the key is here or elsewhere, not both".to_owned()));
    }
    Ok(Command::Build(Build {
        board,
        out: words.path("--out"),
        sign_with,
        sign_for,
        keyset: words.path("--keyset"),
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

fn disk(arguments: impl Iterator<Item = OsString>) -> Result<Command, Usage> {
    let mut words = Words::split(arguments, &["--board", "--out", "--key"], &[])?;
    let board = words.text("--board")?.ok_or_else(|| Usage("disk needs --board NAME".to_owned()))?;
    let (out, key) = (words.path("--out"), words.path("--key"));
    Ok(Command::Disk(Disk { bundle: words.only("BUNDLE")?.into(), board, out, key }))
}

/// Three things in one order of work; which one is told by what is given.
fn sign(arguments: impl Iterator<Item = OsString>) -> Result<Command, Usage> {
    let arguments: Vec<OsString> = arguments.collect();
    let given = |name: &str| {
        let starts = |word: &OsString| word.to_str().is_some_and(|w| w.split('=').next() == Some(name));
        arguments.iter().any(starts)
    };
    if given("--signature") {
        let mut words = Words::split(arguments.into_iter(), &["--signature", "--key"], &[])?;
        let signature = words.text("--signature")?.unwrap_or_default();
        let key = words.path("--key");
        return Ok(Command::PutSignatureIn { file: words.only("FILE")?.into(), signature, key });
    }
    if given("--key") {
        let mut words = Words::split(arguments.into_iter(), &["--key", "--digest"], &[])?;
        words.nothing_else()?;
        let digest = words.text("--digest")?;
        let digest = digest.ok_or_else(|| Usage("sign --key SECRET needs --digest HEX".to_owned()))?;
        return Ok(Command::SignDigest { key: words.path("--key").unwrap_or_default(), digest });
    }
    let mut words = Words::split(arguments.into_iter(), &[], &["--digest"])?;
    if !words.flag("--digest") {
        return Err(Usage(
            "sign needs --digest, or --signature HEX|FILE, or --key SECRET --digest HEX".to_owned(),
        ));
    }
    Ok(Command::ShowDigest { file: words.only("FILE")?.into() })
}

fn keys(mut arguments: impl Iterator<Item = OsString>) -> Result<Command, Usage> {
    match arguments.next().unwrap_or_default().to_str().unwrap_or_default() {
        "init" => keys_init(arguments),
        "list" => {
            Words::split(arguments, &[], &[])?.nothing_else()?;
            Ok(Command::KeysList)
        }
        "set" => Ok(Command::KeysSet { file: Words::split(arguments, &[], &[])?.only("FILE")?.into() }),
        _ => Err(Usage("keys has three commands: init, list, set".to_owned())),
    }
}

fn keys_init(arguments: impl Iterator<Item = OsString>) -> Result<Command, Usage> {
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
            ("keys", "three commands: init, list, set"),
            ("keys set", "FILE is missing"),
            ("build --board a --sign-with b --sign-for c", "not both"),
            ("disk x", "disk needs --board"),
            ("sign x", "sign needs --digest"),
            ("sign x --key y", "unexpected x"),
            ("sign --key y", "needs --digest HEX"),
            ("sign --signature ab", "FILE is missing"),
            ("keys init --production", "needs a NAME"),
        ] {
            let usage = words(line).unwrap_err().to_string();
            assert!(usage.contains(what), "{line}: {usage}");
        }
    }

    #[test]
    fn the_three_steps_of_signing_elsewhere_are_told_apart() {
        assert_eq!(words("sign x --digest"), Ok(Command::ShowDigest { file: "x".into() }));
        let sign = Command::SignDigest { key: "k".into(), digest: "ab".to_owned() };
        assert_eq!(words("sign --key k --digest ab"), Ok(sign));
        for (line, key) in
            [("sign x --signature ab", None), ("sign --key=p --signature=ab x", Some("p".into()))]
        {
            let put_in = Command::PutSignatureIn { file: "x".into(), signature: "ab".to_owned(), key };
            assert_eq!(words(line), Ok(put_in), "{line}");
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

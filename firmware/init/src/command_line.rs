//! What the kernel's command line says to init.

/// The parameters that init looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CommandLine {
    /// Device names of the consoles, such as `ttyS0`, each once, in the order given.
    pub(crate) consoles: Vec<String>,
    /// Name of the block device with the root file system, such as `dm-0`.
    pub(crate) root: Option<String>,
    /// The loader's record in hex, empty without one.
    pub(crate) handoff: String,
}

impl CommandLine {
    /// Reads `/proc/cmdline`.
    pub(crate) fn parse(line: &str) -> Self {
        let mut read = Self::default();
        for word in line.split_ascii_whitespace() {
            let Some((name, value)) = word.split_once('=') else { continue };
            match name {
                "console" => {
                    let device = value.split(',').next().unwrap_or_default();
                    let known = read.consoles.iter().any(|console| console == device);
                    if is_device_name(device) && !known {
                        read.consoles.push(device.to_owned());
                    }
                }
                "root" => {
                    read.root =
                        value.strip_prefix("/dev/").filter(|name| is_device_name(name)).map(Into::into)
                }
                evener_handoff::PARAMETER => read.handoff = value.to_owned(),
                _ => {}
            }
        }
        read
    }
}

/// Whether it can be the name of something directly in `/dev`.
fn is_device_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_loader_passes() {
        let line = "console=tty0 console=ttyS0,115200n8 root=/dev/dm-0 ro init=/init panic=5 console=tty0 \
                    dm-mod.create=\"v,,0,ro,0 8 verity 1 PARTUUID=x\" evener.handoff=0101 quiet\n";
        let expected = CommandLine {
            consoles: vec!["tty0".into(), "ttyS0".into()],
            root: Some("dm-0".into()),
            handoff: "0101".into(),
        };
        assert_eq!(CommandLine::parse(line), expected);
    }

    #[test]
    fn leaves_out_what_is_no_device_of_ours() {
        let line = "console=../../etc/passwd console= root=PARTUUID=1 console root=";
        assert_eq!(CommandLine::parse(line), CommandLine::default());
    }
}

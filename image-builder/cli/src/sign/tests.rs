use bytes::Bytes;
use evener_formats::{bundle, verity::Tree};
use evener_manifest::{Builder, Flags, Part, PartKind, Verity, Version, join};

use super::*;

/// A builder's machine with a bundle that waits for the key `release`, which is elsewhere.
struct Bench {
    folder: tempfile::TempDir,
    keys: KeyFolder,
    key: SigningKey,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyFolder::new(folder.path().join("elsewhere")).create("release", false).unwrap();
        let keys = KeyFolder::new(folder.path().join("here"));
        Self { key, keys, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn public(&self) -> PathBuf {
        self.path("elsewhere/release.pub")
    }

    fn secret(&self) -> PathBuf {
        self.path("elsewhere/release.key")
    }

    /// Writes the bundle that waits, with these bytes as kernel, and gives the digest to sign.
    fn waiting(&self, name: &str, kernel: &[u8]) -> (PathBuf, [u8; 32]) {
        let mut rootfs = vec![0x5a; 4096];
        let tree = Tree::of(&rootfs, &[1; 32]).unwrap();
        rootfs.extend(&tree.bytes);
        let verity = Verity { root: tree.root, salt: [1; 32], data_blocks: tree.data_blocks };
        let parts = [(PartKind::Kernel, Bytes::from_static(b"a kernel")), (PartKind::Rootfs, rootfs.into())];
        let state = |(kind, bytes): &(PartKind, Bytes)| Part {
            kind: *kind,
            size: bytes.len() as u64,
            sha256: sha256(bytes),
        };
        let manifest = Builder {
            version: Version([1, 2, 0, 0]),
            floor: Version([1, 0, 0, 0]),
            installable_from: Version::default(),
            min_loader: Version::default(),
            build_id: [1; 16],
            key_id: self.key.public().id(),
            flags: Flags::RELEASE,
            parts: parts.iter().map(state).collect(),
            verity,
            template: evener_recipes::command_line_template(&verity),
            notes: None,
            toolchain: None,
            config_format: 1,
        };
        let manifest = manifest.emit().unwrap();
        let [_, rootfs] = parts;
        let parts = [(PartKind::Kernel, Bytes::copy_from_slice(kernel)), rootfs];
        let file = bundle::encode(&join(&manifest, &[0; SIGNATURE_BYTES]), &parts).unwrap();
        let mut content = vec![0; usize::try_from(file.length()).unwrap()];
        file.read(0, &mut content);
        fs::write(self.path(name), content).unwrap();
        (self.path(name), sha256(&manifest))
    }

    fn put_in(&self, file: &Path, signature: &str) -> anyhow::Result<PathBuf> {
        put_in(file, signature, Some(&self.public()), &self.keys)
    }

    fn refused(&self, file: &Path, signature: &str) -> String {
        let before = fs::read(file).unwrap();
        let words = format!("{:#}", self.put_in(file, signature).unwrap_err());
        assert_eq!(fs::read(file).unwrap(), before, "the waiting file is as it was");
        let left = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(
            left.into_iter().all(|name| !name.to_string_lossy().contains(".new")),
            "nothing is left behind"
        );
        assert!(!self.path("evener-1.2.0.evfw").exists());
        words
    }
}

const NAME: &str = "evener-1.2.0.unsigned.evfw";

#[test]
fn a_signature_made_elsewhere_from_the_digest_makes_the_firmware_whole() {
    let bench = Bench::new();
    let (file, digest) = bench.waiting(NAME, b"a kernel");
    let signature = hex(&SigningKey::read(&bench.secret()).unwrap().sign_digest(&digest));
    let signed = bench.put_in(&file, &signature).unwrap();
    assert_eq!(signed, bench.path("evener-1.2.0.evfw"));
    let report = inspect::file(&signed, &[bench.key.public()]).unwrap();
    assert_eq!(report.faults(), [] as [String; 0]);
    assert!(
        !inspect::file(&file, &[bench.key.public()]).unwrap().faults().is_empty(),
        "the other still waits"
    );
}

#[test]
fn a_signature_may_come_in_a_file_and_the_key_from_the_directory() {
    let bench = Bench::new();
    let (file, digest) = bench.waiting("a.evfw", b"a kernel");
    fs::create_dir_all(bench.path("here")).unwrap();
    fs::copy(bench.public(), bench.path("here/copied.pub")).unwrap();
    let signature = bench.key.sign_digest(&digest);
    let waiting = fs::read(&file).unwrap();
    for content in [signature.to_vec(), format!("{}\n", hex(&signature)).into_bytes()] {
        fs::write(&file, &waiting).unwrap();
        fs::write(bench.path("signature"), content).unwrap();
        let given = bench.path("signature").display().to_string();
        assert_eq!(
            put_in(&file, &given, None, &bench.keys).unwrap(),
            file,
            "a plain name is signed in place"
        );
    }
}

#[test]
fn the_wrong_key_the_wrong_digest_and_half_a_signature_are_refused() {
    let bench = Bench::new();
    let (file, digest) = bench.waiting(NAME, b"a kernel");
    let good = hex(&bench.key.sign_digest(&digest));
    let stranger = KeyFolder::new(bench.path("stranger")).create("k", false).unwrap();

    let words = bench.refused(&file, &hex(&stranger.sign_digest(&digest)));
    assert!(words.contains("not a signature of key") && words.contains(&hex(&digest)), "{words}");
    let words = bench.refused(&file, &hex(&bench.key.sign_digest(&[7; 32])));
    assert!(words.contains("not a signature of key"), "{words}");
    let words = bench.refused(&file, &good[..120]);
    assert!(words.contains("128 hex digits") && words.contains("120 characters"), "{words}");
    fs::write(bench.path("short"), &bench.key.sign_digest(&digest)[..63]).unwrap();
    let words = bench.refused(&file, &bench.path("short").display().to_string());
    assert!(words.contains("neither 128 hex digits nor 64 bytes"), "{words}");

    let other = bench.path("stranger/k.pub");
    let error = put_in(&file, &good, Some(&other), &bench.keys).unwrap_err().to_string();
    assert!(error.contains("is to be signed with key"), "{error}");
    let error = put_in(&file, &good, None, &bench.keys).unwrap_err().to_string();
    assert!(error.contains("no public key"), "{error}");
}

#[test]
fn a_right_signature_does_not_excuse_a_part_that_is_not_the_stated_one() {
    let bench = Bench::new();
    let (file, digest) = bench.waiting(NAME, b"a kernel that was swapped");
    let words = bench.refused(&file, &hex(&bench.key.sign_digest(&digest)));
    assert!(words.contains("kernel"), "{words}");
}

#[test]
fn the_digest_that_is_told_is_the_one_to_sign() {
    let bench = Bench::new();
    let (file, expected) = bench.waiting(NAME, b"a kernel");
    let told = digest(&file).unwrap();
    assert_eq!(told.result, hex(&expected));
    assert!(told.notes.contains(&bench.key.public().id().to_string()), "{}", told.notes);
    let signed = sign_digest(&bench.secret(), &told.result).unwrap();
    assert!(signed.notes.contains("production key"), "{}", signed.notes);
    bench.put_in(&file, &signed.result).unwrap();
}

#[test]
fn only_a_whole_digest_is_signed_and_only_a_bundle_has_one() {
    let bench = Bench::new();
    let error = sign_digest(&bench.secret(), "abcd").unwrap_err().to_string();
    assert!(error.contains("64 hex digits") && error.contains("4 characters"), "{error}");
    fs::write(bench.path("x"), b"PK").unwrap();
    let error = format!("{:#}", digest(&bench.path("x")).unwrap_err());
    assert!(error.contains("not a firmware file"), "{error}");
}

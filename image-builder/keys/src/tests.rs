use super::*;
use evener_manifest::Keyset;

fn folder() -> (tempfile::TempDir, KeyFolder) {
    let place = tempfile::tempdir().unwrap();
    let keys = KeyFolder::new(place.path().join("evener/keys"));
    (place, keys)
}

#[test]
fn the_development_key_is_made_once_and_stays() {
    let (_place, keys) = folder();
    let (first, made) = keys.development().unwrap();
    assert!(made && first.public().development);
    let (second, made) = keys.development().unwrap();
    assert!(!made);
    assert_eq!(first.public(), second.public());
    assert_eq!(PublicKey::read(&keys.public_path(DEVELOPMENT)).unwrap(), first.public());
}

#[test]
fn only_its_owner_can_read_a_secret_key() {
    let (_place, keys) = folder();
    keys.development().unwrap();
    let path = keys.secret_path(DEVELOPMENT);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(SigningKey::read(&path), Err(KeyError::Exposed { mode: 0o640, .. })));
}

#[test]
fn a_release_keyset_refuses_a_development_key() {
    let (_place, keys) = folder();
    let (development, _) = keys.development().unwrap();
    assert!(matches!(development.keyset(true), Err(KeyError::Development(_))));
    let production = keys.create("release-1", false).unwrap();
    let bytes = production.keyset(true).unwrap();
    let set = Keyset::parse(&bytes).unwrap();
    assert!(set.is_release());
    assert!(set.keys().all(|key| key.public == production.public().bytes && !key.development));
}

#[test]
fn a_key_is_never_overwritten() {
    let (_place, keys) = folder();
    let first = keys.create("k", false).unwrap();
    assert!(matches!(keys.create("k", false), Err(KeyError::Exists(_))));
    assert_eq!(SigningKey::read(&keys.secret_path("k")).unwrap().public(), first.public());
}

#[test]
fn builders_that_start_at_once_end_up_with_one_key() {
    let (_place, keys) = folder();
    let made: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| keys.development().unwrap())).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(made.iter().all(|(key, _)| key.public() == made[0].0.public()));
    assert_eq!(made.iter().filter(|(_, new)| *new).count(), 1);
}

#[test]
fn names_do_not_leave_the_folder() {
    let (_place, keys) = folder();
    for name in ["", "../x", "a/b", "a.b", "ä"] {
        assert!(matches!(keys.create(name, false), Err(KeyError::Name(_))), "{name}");
    }
}

#[test]
fn a_file_that_is_not_a_key_is_refused_with_the_reason() {
    let (place, _keys) = folder();
    let path = place.path().join("x.pub");
    let good = line(PUBLIC_TAG, true, &[0xab; 32]);
    for bad in [
        "",
        "evener-secret-key-v1 development 00",
        &good[..80],
        &good.replace("dev", "def"),
        &format!("{good} x"),
    ] {
        fs::write(&path, bad).unwrap();
        assert!(matches!(PublicKey::read(&path), Err(KeyError::Malformed { .. })), "{bad}");
    }
    fs::write(&path, &good).unwrap();
    assert_eq!(PublicKey::read(&path).unwrap().bytes, [0xab; 32]);
}

#[test]
fn no_secret_is_printed() {
    let (_place, keys) = folder();
    let key = keys.create("k", true).unwrap();
    let secret = fs::read_to_string(keys.secret_path("k")).unwrap();
    let secret = secret.split_whitespace().nth(2).unwrap();
    assert!(!format!("{key:?}").contains(&secret[..16]));
}

#[test]
fn what_is_in_a_folder_is_listed_by_name() {
    let (_place, keys) = folder();
    assert_eq!(keys.list(), []);
    let production = keys.create("release-1", false).unwrap().public();
    let (development, _) = keys.development().unwrap();
    fs::remove_file(keys.secret_path("release-1")).unwrap();
    let expected = [("development", development.public(), true), ("release-1", production, false)];
    assert_eq!(keys.list(), expected.map(|(name, key, secret)| (name.to_owned(), key, secret)));
}

/// A folder with a keyset file of these lines.
struct Desk {
    place: tempfile::TempDir,
    old: SigningKey,
    new: SigningKey,
    development: SigningKey,
}

impl Desk {
    fn new() -> Self {
        let (place, keys) = folder();
        let [old, new] = ["old", "new"].map(|name| keys.create(name, false).unwrap());
        Self { old, new, development: keys.development().unwrap().0, place }
    }

    fn read(&self, text: &str) -> Result<KeysetFile, KeyError> {
        let line = |key: &SigningKey| key.public().line().trim().to_owned();
        let text = text
            .replace("OLD", &line(&self.old))
            .replace("NEW", &line(&self.new))
            .replace("DEV", &line(&self.development));
        let path = self.place.path().join("keyset.toml");
        fs::write(&path, text).unwrap();
        KeysetFile::read(&path)
    }
}

const ROTATED: &str =
    "release = true\n[[key]]\npublic = \"OLD\"\nrevoked = true\n[[key]]\npublic = \"NEW\"\n";

#[test]
fn a_keyset_file_says_whom_to_trust() {
    let desk = Desk::new();
    let set = desk.read(ROTATED).unwrap();
    assert!(set.is_release());
    let bytes = set.bytes().unwrap();
    let read = Keyset::parse(&bytes).unwrap();
    assert!(read.is_release());
    assert_eq!(read.trusted(desk.old.public().id()), Err(ManifestError::RevokedKey));
    assert_eq!(read.trusted(desk.new.public().id()).unwrap().public, desk.new.public().bytes);
    assert_eq!(read.trusted(desk.development.public().id()), Err(ManifestError::UnknownKey));
}

#[test]
fn a_keyset_file_may_name_files_beside_it() {
    let desk = Desk::new();
    let set = desk.read("release = true\n[[key]]\nfile = \"evener/keys/new.pub\"\n").unwrap();
    assert_eq!(set.keys(), [(desk.new.public(), false)]);
    let missing = desk.read("release = true\n[[key]]\nfile = \"gone.pub\"\n").unwrap_err();
    assert!(missing.to_string().contains("gone.pub"), "{missing}");
}

#[test]
fn a_firmware_is_never_signed_with_a_key_that_it_does_not_trust_itself() {
    let desk = Desk::new();
    let set = desk.read(ROTATED).unwrap();
    set.admit(desk.new.public().id()).unwrap();
    for (key, words) in [(&desk.old, "revokes key"), (&desk.development, "does not name key")] {
        let refusal = set.admit(key.public().id()).unwrap_err().to_string();
        assert!(refusal.contains(words) && refusal.contains("docs/keys.md"), "{refusal}");
    }
}

#[test]
fn a_keyset_that_makes_no_sense_is_refused_with_the_reason() {
    let desk = Desk::new();
    let many = "[[key]]\npublic = \"OLD\"\n".repeat(17);
    for (text, words) in [
        ("release = true\n", "no key that is not revoked"),
        ("release = true\n[[key]]\npublic = \"OLD\"\nrevoked = true\n", "no key that is not revoked"),
        ("release = true\n[[key]]\npublic = \"DEV\"\n", "is a development key"),
        ("release = false\n[[key]]\npublic = \"OLD\"\n[[key]]\npublic = \"OLD\"\n", "named twice"),
        ("release = true\n[[key]]\n", "key 1: either public or file"),
        ("release = true\n[[key]]\npublic = \"OLD\"\nfile = \"x\"\n", "key 1: either public or file"),
        ("release = true\n[[key]]\npublic = \"OLD\"\n[[key]]\npublic = \"x\"\n", "key 2: not a key"),
        ("release = true\n[[key]]\npublic = \"OLD\"\nrevokd = true\n", "revokd"),
        ("[[key]]\npublic = \"OLD\"\n", "release"),
        (&format!("release = false\n{many}"), "17 keys"),
    ] {
        let error = desk.read(text).unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
    let mixed = "release = false\n[[key]]\npublic = \"DEV\"\n[[key]]\npublic = \"OLD\"\n";
    assert_eq!(desk.read(mixed).unwrap().keys().len(), 2, "a set for development may have both");
}

#[test]
fn only_whole_signatures_and_digests_are_read() {
    let text = "0f".repeat(64);
    assert_eq!(parse_signature(&format!(" {text}\n")), Some([0x0f; 64]));
    assert_eq!(parse_digest(&text[..64]), Some([0x0f; 32]));
    for wrong in ["", &text[..127], &text[..126], &format!("{text}0f"), &text.replace('f', "g")] {
        assert_eq!(parse_signature(wrong), None, "{wrong}");
    }
    assert_eq!(parse_digest(&text[..62]), None);
}

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

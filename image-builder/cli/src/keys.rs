//! Keys as the commands need them: made, listed, chosen for a build, and the keyset that goes with them.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use evener_keys::{KeyError, KeyFolder, KeysetFile, PublicKey, SigningKey};
use evener_manifest::emit_keyset;
use evener_recipes::Signer;

use crate::arguments::Build;
use crate::say::{self, Console};

/// The keyset of the releases that are made from a source tree, where there is one.
const RELEASE_KEYSET: &str = "image-builder/keyset.toml";

/// The user's key directory.
pub(crate) fn folder() -> anyhow::Result<KeyFolder> {
    KeyFolder::of_the_user().context("no home directory ($HOME)")
}

/// `keys init`.
pub(crate) fn init(name: &str, production: bool) -> anyhow::Result<()> {
    let keys = folder()?;
    let key = keys.create(name, !production)?;
    say::line(&format!("{} key {} made", kind(&key.public()), key.public().id()));
    say::line(&format!("  secret  {} (readable by you only; keep it)", keys.secret_path(name).display()));
    say::line(&format!("  public  {}", keys.public_path(name).display()));
    Ok(())
}

/// `keys list`.
pub(crate) fn list() -> anyhow::Result<()> {
    let keys = folder()?.list();
    if keys.is_empty() {
        say::line(
            "no keys yet; the first build makes a development key, keys init --production NAME another",
        );
    }
    for (name, key, secret) in keys {
        let where_ = if secret { "secret key here" } else { "public key only" };
        say::line(&format!("{}  {:<11}  {where_}  {name}", key.id(), kind(&key)));
    }
    Ok(())
}

/// `keys set`.
pub(crate) fn show_set(file: &Path) -> anyhow::Result<()> {
    let set = KeysetFile::read(file)?;
    let release =
        if set.is_release() { "of a release: development keys are refused" } else { "not of a release" };
    say::line(&format!("{}: keyset {release}", file.display()));
    for (key, revoked) in set.keys() {
        let trust = if *revoked { "revoked" } else { "trusted" };
        say::line(&format!("  {}  {:<11}  {trust}", key.id(), kind(key)));
    }
    Ok(())
}

/// Whose signature a build gets.
pub(crate) enum Chosen {
    Here(SigningKey),
    Elsewhere(PublicKey),
}

impl Chosen {
    pub(crate) fn signer(&self) -> Signer<'_> {
        match self {
            Self::Here(key) => Signer::Here(key),
            Self::Elsewhere(key) => Signer::Elsewhere(*key),
        }
    }

    fn public(&self) -> PublicKey {
        match self {
            Self::Here(key) => key.public(),
            Self::Elsewhere(key) => *key,
        }
    }
}

/// The key that the order names, or the development key, made now if this is the first build.
pub(crate) fn choose(order: &Build, console: &Console) -> anyhow::Result<Chosen> {
    if let Some(path) = &order.sign_for {
        return Ok(Chosen::Elsewhere(PublicKey::read(path)?));
    }
    if let Some(path) = &order.sign_with {
        return Ok(Chosen::Here(SigningKey::read(path)?));
    }
    ensure!(
        !order.release,
        "a release is signed with a production key: --sign-with FILE or --sign-for PUB (evener-image keys init --production NAME makes one)"
    );
    let (key, made) = folder()?.development()?;
    if made {
        console.note(&format!("made development key {} (for this machine only)", key.public().id()));
    }
    Ok(Chosen::Here(key))
}

/// The keyset that loader and firmware will carry; one that trusts the key that signs them.
pub(crate) fn keyset(order: &Build, key: &Chosen, workspace: &Path) -> anyhow::Result<Vec<u8>> {
    let key = key.public();
    let of_the_tree = Some(workspace.join(RELEASE_KEYSET)).filter(|path| order.release && path.exists());
    let Some(path) = order.keyset.clone().or(of_the_tree) else {
        if order.release && key.development {
            let given = order.sign_with.clone().or_else(|| order.sign_for.clone()).unwrap_or_default();
            return Err(KeyError::Development(given).into());
        }
        return Ok(emit_keyset(order.release, &[key.entry()])?);
    };
    let set = KeysetFile::read(&path)?;
    if order.release && !set.is_release() {
        bail!("{}: a release needs a keyset with \"release = true\"", path.display());
    }
    if set.is_release() && key.development {
        bail!("{}: the keyset of a release, and key {} is a development key", path.display(), key.id());
    }
    set.admit(key.id())?;
    Ok(set.bytes()?)
}

/// Keys to check with: the one given, else every public key in the key directory.
pub(crate) fn known(key: Option<&Path>) -> anyhow::Result<Vec<PublicKey>> {
    match key {
        Some(path) => Ok(vec![PublicKey::read(path)?]),
        None => Ok(folder()?.public_keys().into_iter().map(|(_, key)| key).collect()),
    }
}

fn kind(key: &PublicKey) -> &'static str {
    if key.development { "development" } else { "production" }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use evener_manifest::{Keyset, ManifestError};

    use super::*;

    /// A source tree and keys.
    struct Bench {
        folder: tempfile::TempDir,
        keys: KeyFolder,
    }

    impl Bench {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("image-builder")).unwrap();
            Self { keys: KeyFolder::new(folder.path().join("keys")), folder }
        }

        fn key(&self, name: &str) -> Chosen {
            Chosen::Here(self.keys.create(name, name == "development").unwrap())
        }

        fn set(&self, name: &str, release: bool, keys: &[(&Chosen, bool)]) -> PathBuf {
            let entry = |(key, revoked): &(&Chosen, bool)| {
                format!("[[key]]\npublic = \"{}\"\nrevoked = {revoked}\n", key.public().line().trim())
            };
            let text: String = keys.iter().map(entry).collect();
            let path = self.folder.path().join(name);
            fs::write(&path, format!("release = {release}\n{text}")).unwrap();
            path
        }

        fn keyset(&self, order: &Build, key: &Chosen) -> Result<Vec<u8>, String> {
            keyset(order, key, self.folder.path()).map_err(|error| error.to_string())
        }
    }

    #[test]
    fn a_release_trusts_the_keys_of_the_tree_and_a_development_build_its_own() {
        let bench = Bench::new();
        let [old, new] = ["old", "new"].map(|name| bench.key(name));
        let order = Build { release: true, ..Build::default() };
        let alone = bench.keyset(&order, &old).unwrap();
        assert_eq!(Keyset::parse(&alone).unwrap().keys().count(), 1, "no keyset in the tree");

        bench.set(RELEASE_KEYSET, true, &[(&old, false), (&new, false)]);
        let both = bench.keyset(&order, &old).unwrap();
        let both = Keyset::parse(&both).unwrap();
        assert!(both.is_release() && both.trusted(new.public().id()).is_ok());
        let development = bench.keyset(&Build::default(), &bench.key("development")).unwrap();
        assert_eq!(Keyset::parse(&development).unwrap().keys().count(), 1);
    }

    #[test]
    fn a_given_keyset_goes_before_that_of_the_tree() {
        let bench = Bench::new();
        let [old, new] = ["old", "new"].map(|name| bench.key(name));
        bench.set(RELEASE_KEYSET, true, &[(&old, false)]);
        let given = bench.set("given.toml", true, &[(&old, true), (&new, false)]);
        let order = Build { release: true, keyset: Some(given), ..Build::default() };
        let bytes = bench.keyset(&order, &new).unwrap();
        let set = Keyset::parse(&bytes).unwrap();
        assert_eq!(set.trusted(old.public().id()), Err(ManifestError::RevokedKey));
        let refused = bench.keyset(&order, &old).unwrap_err();
        assert!(refused.contains("revokes key"), "{refused}");
    }

    #[test]
    fn a_release_takes_neither_development_keys_nor_a_keyset_that_does() {
        let bench = Bench::new();
        let (development, key) = (bench.key("development"), bench.key("release"));
        let release = Build { release: true, ..Build::default() };
        assert!(bench.keyset(&release, &development).unwrap_err().contains("is a development key"));
        let lax = bench.set("lax.toml", false, &[(&key, false), (&development, false)]);
        let order = Build { keyset: Some(lax), ..release };
        assert!(bench.keyset(&order, &key).unwrap_err().contains("release = true"));
        let strict = bench.set("strict.toml", true, &[(&key, false)]);
        let order = Build { keyset: Some(strict), ..Build::default() };
        assert!(bench.keyset(&order, &development).unwrap_err().contains("is a development key"));
    }

    #[test]
    fn a_key_elsewhere_needs_its_public_half_only() {
        let bench = Bench::new();
        bench.keys.create("far", false).unwrap();
        fs::remove_file(bench.keys.secret_path("far")).unwrap();
        let sign_for = Some(bench.keys.public_path("far"));
        let order = Build { sign_for, release: true, ..Build::default() };
        let key = choose(&order, &Console::new()).unwrap();
        assert!(matches!(key.signer(), Signer::Elsewhere(_)));
        bench.keyset(&order, &key).unwrap();
        let nobody = Build { release: true, ..Build::default() };
        assert!(choose(&nobody, &Console::new()).is_err(), "a release names its key");
    }
}

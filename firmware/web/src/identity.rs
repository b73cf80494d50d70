//! What makes this unit's pages its own: the certificate, born on the first start, and the name of its cookies.
//!
//! The certificate is signed by itself; who connects compares the fingerprint, which stands in the log and, once
//! pinned, stays valid: it is not made anew when addresses change. Writes `cert.pem`, `key.pem` and `unit-id` in
//! this service's directory, each file whole or not at all, readable by this service only.

use crate::WebError;
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

const CERTIFICATE: &str = "cert.pem";
const KEY: &str = "key.pem";
const UNIT_ID: &str = "unit-id";

/// A certificate and its key.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Whether one was made before.
    pub(crate) fn exists(directory: &Path) -> bool {
        directory.join(CERTIFICATE).exists() && directory.join(KEY).exists()
    }

    /// The one in `directory`; without one, or with one that cannot be used, a new one for these DNS names and
    /// addresses.
    ///
    /// # Errors
    /// When it can neither be read nor made and written.
    pub(crate) fn load_or_make(directory: &Path, names: &[String]) -> Result<Self, WebError> {
        if Self::exists(directory) {
            match Self::load(directory) {
                Some(identity) => return Ok(identity),
                None => {
                    tracing::error!("the certificate is damaged; a new one is made, with a new fingerprint")
                }
            }
        }
        let (certificate, key) = generate(names).map_err(WebError::Certificate)?;
        write(directory, KEY, key.as_bytes())?;
        write(directory, CERTIFICATE, certificate.as_bytes())?;
        Self::load(directory).ok_or(WebError::Tls(rustls::Error::General(String::from("unreadable"))))
    }

    fn load(directory: &Path) -> Option<Self> {
        let certificate = CertificateDer::from_pem_file(directory.join(CERTIFICATE)).ok()?;
        let key = PrivateKeyDer::from_pem_file(directory.join(KEY)).ok()?;
        let identity = Self { certificate, key };
        crate::serve::tls_config(&identity).is_ok().then_some(identity)
    }

    /// SHA-256 of the certificate, as browsers show it: pairs of hex digits with colons.
    pub(crate) fn fingerprint(&self) -> String {
        let pairs: Vec<String> =
            Sha256::digest(&self.certificate).iter().map(|byte| format!("{byte:02X}")).collect();
        pairs.join(":")
    }
}

fn generate(names: &[String]) -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut sorted = names.to_vec();
    sorted.sort();
    sorted.dedup();
    let mut params = CertificateParams::new(sorted)?;
    params.distinguished_name.push(DnType::CommonName, "Evener unit");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // The clock of a new unit may be years behind or ahead, so the dates say nothing.
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2049, 12, 31);
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

/// The random word that tells this unit's cookies from another's; made on the first call.
///
/// # Errors
/// When it can neither be read nor made and written.
pub(crate) fn unit_id(directory: &Path) -> Result<String, WebError> {
    let valid = |text: &str| text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match fs::read_to_string(directory.join(UNIT_ID)) {
        Ok(text) if valid(text.trim()) => return Ok(text.trim().to_owned()),
        _ => {}
    }
    let mut random = [0; 4];
    getrandom::fill(&mut random).map_err(|_| WebError::Randomness)?;
    let id = format!("{:08x}", u32::from_be_bytes(random));
    write(directory, UNIT_ID, id.as_bytes())?;
    Ok(id)
}

/// Writes a file as a whole: under another name, to the disk, then renamed.
fn write(directory: &Path, name: &str, bytes: &[u8]) -> Result<(), WebError> {
    let path = directory.join(name);
    let new = directory.join(format!("{name}.new"));
    let written = (|| -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(directory)?.sync_all()
    })();
    written.map_err(|source| WebError::File { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn names() -> Vec<String> {
        ["lb-1", "localhost", "192.0.2.1", "lb-1"].map(String::from).to_vec()
    }

    #[test]
    fn is_born_once_and_nobody_else_may_read_the_key() {
        let data = tempfile::tempdir().unwrap();
        let own = data.path().join("web");
        let first = Identity::load_or_make(&own, &names()).unwrap();
        let again = Identity::load_or_make(&own, &[]).unwrap();
        assert_eq!(first.fingerprint(), again.fingerprint());
        assert_eq!(first.fingerprint().len(), 32 * 3 - 1);
        for file in [KEY, CERTIFICATE] {
            assert_eq!(fs::metadata(own.join(file)).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::metadata(&own).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_damaged_or_foreign_key_leads_to_a_new_identity() {
        let data = tempfile::tempdir().unwrap();
        let first = Identity::load_or_make(data.path(), &names()).unwrap();
        fs::write(data.path().join(KEY), generate(&names()).unwrap().1).unwrap();
        let second = Identity::load_or_make(data.path(), &names()).unwrap();
        fs::write(data.path().join(CERTIFICATE), "half").unwrap();
        let third = Identity::load_or_make(data.path(), &names()).unwrap();
        assert!(first.fingerprint() != second.fingerprint() && second.fingerprint() != third.fingerprint());
    }

    #[test]
    fn the_unit_keeps_its_word() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let id = unit_id(here.path()).unwrap();
        assert_eq!(unit_id(here.path()).unwrap(), id);
        assert_ne!(unit_id(there.path()).unwrap(), id);
    }
}

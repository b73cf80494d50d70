//! TLS of virtual services, and what they refer to: certificates and cipher sets.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// TLS towards clients and towards servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-inactive" = true))]
pub struct ServiceTls {
    /// Clients speak TLS with the unit.
    #[schemars(title = "TLS to clients")]
    pub to_clients: bool,
    /// The unit speaks TLS with the servers.
    #[schemars(title = "TLS to servers")]
    pub to_servers: bool,
    /// Names of certificates. The one for the name that a client asks for is used, else the first.
    #[schemars(title = "Certificates", length(max = 256), inner(length(max = 64)))]
    pub certificates: Vec<String>,
    /// The versions of TLS that are spoken. Those before 1.2 are kept for the record: no version of this system
    /// speaks them.
    #[schemars(title = "TLS versions", length(max = 5))]
    pub versions: Vec<TlsVersion>,
    /// The name of a cipher set.
    #[schemars(title = "Cipher set", length(max = 64))]
    pub cipher_set: String,
    /// Ciphers of TLS 1.3, best first; none: all of them.
    #[schemars(title = "TLS 1.3 ciphers", length(max = 8))]
    pub tls13_ciphers: Vec<Tls13Cipher>,
    /// Clients that do not say which name they want are refused.
    #[schemars(title = "Require SNI host name")]
    pub require_sni: bool,
    /// Servers are told the name that the client asked for.
    #[schemars(title = "Pass SNI to servers")]
    pub pass_sni: bool,
    /// The name that servers are asked for; empty: the client's, or none.
    #[schemars(title = "SNI host name for servers", length(max = 253))]
    pub server_sni: String,
    /// Servers are told the cipher, in the header `X-SSL-Cipher`.
    #[schemars(title = "Pass cipher in a header")]
    pub pass_cipher: bool,
    /// Whether clients need a certificate of their own.
    #[schemars(title = "Client certificates")]
    pub client_certificates: ClientCertificates,
    /// Whether clients' certificates are looked up as revoked or not.
    #[schemars(title = "Verify clients by OCSP")]
    pub verify_by_ocsp: bool,
    /// Whether browsers are told to come by TLS only from now on (RFC 6797).
    #[schemars(title = "Strict transport security")]
    pub hsts: Hsts,
    /// How long they shall.
    #[schemars(title = "Strict transport security age", range(min = 86_400, max = 94_608_000), extend("x-unit" = "s"))]
    pub hsts_age_s: u32,
}

impl Default for ServiceTls {
    fn default() -> Self {
        Self {
            to_clients: false,
            to_servers: false,
            certificates: Vec::new(),
            versions: vec![TlsVersion::Tls12, TlsVersion::Tls13],
            cipher_set: String::from("Default"),
            tls13_ciphers: Vec::new(),
            require_sni: false,
            pass_sni: false,
            server_sni: String::new(),
            pass_cipher: false,
            client_certificates: ClientCertificates::No,
            verify_by_ocsp: false,
            hsts: Hsts::No,
            hsts_age_s: 31_536_000,
        }
    }
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum TlsVersion {
    /// Broken (RFC 7568).
    #[serde(rename = "ssl3")]
    #[schemars(title = "SSLv3")]
    Ssl3,
    /// Deprecated (RFC 8996).
    #[serde(rename = "1.0")]
    #[schemars(title = "TLS 1.0")]
    Tls10,
    /// Deprecated (RFC 8996).
    #[serde(rename = "1.1")]
    #[schemars(title = "TLS 1.1")]
    Tls11,
    /// RFC 5246.
    #[serde(rename = "1.2")]
    #[schemars(title = "TLS 1.2")]
    Tls12,
    /// RFC 8446.
    #[serde(rename = "1.3")]
    #[schemars(title = "TLS 1.3")]
    Tls13,
}

/// A cipher of TLS 1.3 (RFC 8446 §B.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Tls13Cipher {
    /// AES with 256 bits.
    #[serde(rename = "TLS_AES_256_GCM_SHA384")]
    #[schemars(title = "TLS_AES_256_GCM_SHA384")]
    Aes256,
    /// ChaCha20.
    #[serde(rename = "TLS_CHACHA20_POLY1305_SHA256")]
    #[schemars(title = "TLS_CHACHA20_POLY1305_SHA256")]
    ChaCha20,
    /// AES with 128 bits.
    #[serde(rename = "TLS_AES_128_GCM_SHA256")]
    #[schemars(title = "TLS_AES_128_GCM_SHA256")]
    Aes128,
}

/// Whether clients need a certificate of their own, and what servers are told of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientCertificates {
    /// They do not.
    #[default]
    #[schemars(title = "no client certificates required")]
    No,
    /// They do.
    #[schemars(title = "client certificates required")]
    Required,
    /// And servers get it as DER in a header.
    #[schemars(title = "required, and added as DER")]
    AsDer,
    /// And servers get it as PEM in a header.
    #[schemars(title = "required, and added as PEM")]
    AsPem,
    /// And servers get its subject in a header.
    #[schemars(title = "required, and the subject added")]
    Subject,
    /// And servers get its issuer and subject in headers.
    #[schemars(title = "required, and issuer and subject added")]
    IssuerAndSubject,
    /// And servers get all of its fields in headers.
    #[schemars(title = "required, and all fields added")]
    AllFields,
}

/// Whether browsers are told to come by TLS only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Hsts {
    /// They are not.
    #[default]
    #[schemars(title = "no header")]
    No,
    /// For this name.
    #[schemars(title = "this name")]
    ThisName,
    /// For this name and all below it.
    #[schemars(title = "this name and those below it")]
    WithSubdomains,
    /// For this name, and it may be put on the browsers' lists.
    #[schemars(title = "this name, with preload")]
    Preload,
    /// For this name and all below it, and it may be put on the browsers' lists.
    #[schemars(title = "this name and those below it, with preload")]
    WithSubdomainsAndPreload,
}

/// A certificate with its key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-label" = ["certificate {name}"], "x-inactive" = true))]
pub struct Certificate {
    /// What services call it.
    #[schemars(title = "Name", length(max = 64))]
    pub name: String,
    /// The certificate, and those that it was signed by, as PEM (RFC 7468): the unit's own first.
    #[schemars(title = "Chain", length(max = 131_072), extend("x-lines" = true))]
    pub chain: String,
    /// Its key, as PEM. It is never given back.
    #[schemars(title = "Key", extend("maxLength" = 32_768, "x-lines" = true, "x-secret" = true))]
    pub key: Secret,
    /// Where it comes from, and how it is renewed.
    #[serde(default)]
    #[schemars(title = "Origin")]
    pub origin: CertificateOrigin,
}

impl core::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Certificate").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Something that is never shown, logged, or given back.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("x-secret" = true))]
pub struct Secret(pub String);

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// Where a certificate comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CertificateOrigin {
    /// Somebody uploaded it and will replace it.
    #[default]
    #[schemars(title = "uploaded")]
    Uploaded,
    /// An authority gave it over ACME (RFC 8555), and renews it.
    #[schemars(title = "ACME")]
    Acme,
}

/// A certificate of an authority: for chains of servers and clients that come without.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-label" = ["intermediate certificate {name}"], "x-inactive" = true))]
pub struct IntermediateCertificate {
    /// What operators call it.
    #[schemars(title = "Name", length(max = 64))]
    pub name: String,
    /// One or more certificates as PEM (RFC 7468).
    #[schemars(title = "Certificates", length(max = 131_072), extend("x-lines" = true))]
    pub chain: String,
}

/// Ciphers of TLS 1.2 under a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-label" = ["cipher set {name}"], "x-inactive" = true))]
pub struct CipherSet {
    /// What services call it. The sets that the unit brings cannot be replaced.
    #[schemars(title = "Name", length(max = 64))]
    pub name: String,
    /// Their names in the IANA registry, best first.
    #[schemars(title = "Ciphers", length(max = 64), inner(length(max = 64)))]
    pub ciphers: Vec<String>,
}

/// Cipher sets that every unit has.
pub const CIPHER_SETS: [&str; 11] = [
    "Default",
    "Default_NoRc4",
    "BestPractices",
    "Intermediate_compatibility",
    "Backward_compatibility",
    "WUI",
    "FIPS",
    "Legacy",
    "Null_Ciphers",
    "ECDSA_Default",
    "ECDSA_BestPractices",
];

/// What all TLS of the unit has in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-inactive" = true))]
pub struct TlsOptions {
    /// Who is asked whether a client's certificate was revoked (RFC 6960); empty: whom the certificate names.
    #[schemars(title = "OCSP server", length(max = 255))]
    pub ocsp_url: String,
    /// Whether a client is let in while that server does not answer.
    #[schemars(title = "Allow while OCSP does not answer")]
    pub ocsp_may_fail: bool,
    /// Whether the unit gets the answers for its own certificates, and gives them to clients (RFC 6066 §8).
    #[schemars(title = "OCSP stapling")]
    pub stapling: bool,
    /// From one such answer to the next.
    #[schemars(title = "OCSP refresh interval", range(min = 60, max = 86_400), extend("x-unit" = "s"))]
    pub stapling_interval_s: u32,
    /// Whether certificates of servers are verified.
    #[schemars(title = "Verify servers' certificates")]
    pub verify_servers: bool,
    /// The authority's directory for ACME (RFC 8555 §7.1.1); empty: none.
    #[schemars(title = "ACME directory", length(max = 255))]
    pub acme_directory: String,
    /// The address of whom the authority warns.
    #[schemars(title = "ACME contact", length(max = 254))]
    pub acme_contact: String,
    /// Days before its end at which a certificate is renewed.
    #[schemars(title = "ACME renewal", range(min = 1, max = 60), extend("x-unit" = "days", "x-what" = "a number of days"))]
    pub acme_renew_days: u8,
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self {
            ocsp_url: String::new(),
            ocsp_may_fail: false,
            stapling: false,
            stapling_interval_s: 3600,
            verify_servers: false,
            acme_directory: String::new(),
            acme_contact: String::new(),
            acme_renew_days: 30,
        }
    }
}

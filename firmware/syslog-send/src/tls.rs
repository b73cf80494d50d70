//! Which servers a TLS connection is believed to.

use crate::connection::ConnectError;
use crate::target::Trust;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// A connector that believes only whom `trust` names, and the name to ask for.
///
/// # Errors
/// [`ConnectError::Trust`] when the name is none, or a certificate of an authority cannot be read.
pub(crate) fn connector(
    trust: &Trust,
    address: IpAddr,
) -> Result<(TlsConnector, ServerName<'static>), ConnectError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| ConnectError::Trust(error.to_string()))?;
    let (config, name) = match trust {
        Trust::Certificate(digest) => {
            let pin = Arc::new(Pin { digest: *digest, provider });
            let config = builder.dangerous().with_custom_certificate_verifier(pin);
            (config.with_no_client_auth(), ServerName::from(address))
        }
        Trust::Authorities { name, certificates } => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates {
                let certificate = CertificateDer::from(certificate.clone());
                roots.add(certificate).map_err(|error| ConnectError::Trust(error.to_string()))?;
            }
            let name = ServerName::try_from(name.clone())
                .map_err(|_| ConnectError::Trust(format!("{name:?} is no name of a server")))?;
            (builder.with_root_certificates(roots).with_no_client_auth(), name)
        }
    };
    Ok((TlsConnector::from(Arc::new(config)), name))
}

/// Believes the one certificate, whatever it says; that the other end has its key is proved by the handshake.
#[derive(Debug)]
struct Pin {
    digest: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pin {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let seen: [u8; 32] = Sha256::digest(certificate).into();
        if seen == self.digest {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

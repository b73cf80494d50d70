//! Whether the administration answers: TLS and HTTP, as a caller from outside would speak to it.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::probe::ANSWER_WITHIN;

/// Without credentials, so 401 is what a healthy one answers.
const REQUEST: &[u8] = b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Asks the API of this very unit.
#[derive(Clone)]
pub(crate) struct ApiProbe(Result<TlsConnector, String>);

impl ApiProbe {
    /// Makes what is needed to ask.
    pub(crate) fn new() -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let any = Arc::new(AnyCertificate(Arc::clone(&provider)));
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config
            .map(|config| config.dangerous().with_custom_certificate_verifier(any).with_no_client_auth());
        Self(config.map(|config| TlsConnector::from(Arc::new(config))).map_err(|error| error.to_string()))
    }

    /// Whether it answers at `address`; any answer but a failure of its own will do.
    pub(crate) async fn ask(&self, address: SocketAddr) -> Result<(), String> {
        let connector = self.0.clone()?;
        let exchange = async {
            let stream = TcpStream::connect(address).await?;
            let mut stream = connector.connect(ServerName::from(address.ip()), stream).await?;
            stream.write_all(REQUEST).await?;
            let mut status = [0; 12];
            stream.read_exact(&mut status).await?;
            Ok::<_, std::io::Error>(status)
        };
        let status = match tokio::time::timeout(ANSWER_WITHIN, exchange).await {
            Ok(Ok(status)) => status,
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err(format!("no answer within {ANSWER_WITHIN:?}")),
        };
        if status.starts_with(b"HTTP/1.1 ") && !status.starts_with(b"HTTP/1.1 5") {
            return Ok(());
        }
        Err(format!("it answered {:?}", String::from_utf8_lossy(&status)))
    }
}

/// Takes any certificate. It is our own service on our own loopback, nothing secret is said, and what is asked is
/// whether it works, not who it is: an operator's expired certificate must not fail a firmware.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

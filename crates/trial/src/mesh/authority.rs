//! The mesh's certificate authority: workload certificates with SPIFFE identities.

use palisade_netlab::{Error, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};

/// Signs certificates.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority")
    }
}

/// A certificate and its key.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate as PEM.
    pub certificate: String,
    /// The key as PEM.
    pub key: String,
    /// The certificate's bytes.
    pub(crate) certificate_der: Vec<u8>,
    /// The key's bytes (PKCS #8).
    pub(crate) key_der: Vec<u8>,
}

fn refused(error: &rcgen::Error) -> Error {
    Error::because("making a certificate", error.to_string())
}

impl Authority {
    /// A new one, with a key of its own.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn new() -> Result<Self> {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().map_err(|e| refused(&e))?;
        let issuer = CertifiedIssuer::self_signed(parameters, key).map_err(|e| refused(&e))?;
        Ok(Self { issuer })
    }

    /// Its certificate as PEM.
    #[must_use]
    pub fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for an identity (`spiffe://...`).
    ///
    /// # Errors
    /// If the identity cannot stand in a certificate.
    pub fn issue(&self, identity: &str) -> Result<Issued> {
        let mut parameters = CertificateParams::default();
        let name = identity.try_into().map_err(|e| refused(&e))?;
        parameters.subject_alt_names = vec![SanType::URI(name)];
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::ServerAuth,
        ];
        let key = KeyPair::generate().map_err(|e| refused(&e))?;
        let signed = parameters
            .signed_by(&key, &self.issuer)
            .map_err(|e| refused(&e))?;
        Ok(Issued {
            certificate: signed.pem(),
            key: key.serialize_pem(),
            certificate_der: signed.der().to_vec(),
            key_der: key.serialize_der(),
        })
    }
}

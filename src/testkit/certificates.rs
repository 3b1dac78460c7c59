//! A certificate authority that lives as long as a test: it signs the API server, its users, receivers whose
//! certificate is right and receivers whose certificate is wrong.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use thiserror::Error;

/// A certificate could not be made.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// The library refused the input, for example a name that is no DNS name.
    #[error("a test certificate could not be made: {0}")]
    Refused(#[from] rcgen::Error),
    /// An X.509 subject made here holds at most two organizations, which are the user's groups.
    #[error("a user of the control plane must be in at most 2 groups, '{user}' has {groups}")]
    TooManyGroups {
        /// The user's name.
        user: String,
        /// How many groups were asked for.
        groups: usize,
    },
}

/// A certificate with its private key, both as PEM text.
#[derive(Clone)]
pub struct CertifiedKey {
    /// The certificate, one PEM block.
    pub cert_pem: String,
    /// The private key, PKCS 8 as PEM.
    pub key_pem: String,
    /// The certificate as DER.
    pub cert_der: Vec<u8>,
    /// The private key, PKCS 8 as DER.
    pub key_der: Vec<u8>,
}

impl std::fmt::Debug for CertifiedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CertifiedKey(..)")
    }
}

/// A certificate authority made for one run.
pub struct TestCa {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl TestCa {
    /// Makes a new authority whose common name is `name`.
    pub fn new(name: &str) -> Result<Self, CertificateError> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        Ok(Self { issuer })
    }

    /// The authority's certificate as PEM: what a client trusts.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// The authority's certificate as DER.
    pub fn der(&self) -> Vec<u8> {
        self.issuer.der().to_vec()
    }

    /// A server certificate for `names` (DNS names or IP addresses).
    pub fn server(&self, names: &[&str]) -> Result<CertifiedKey, CertificateError> {
        self.sign(&Self::server_params(names)?)
    }

    /// A server certificate for `names` that ended in the year 2000.
    pub fn expired_server(&self, names: &[&str]) -> Result<CertifiedKey, CertificateError> {
        let mut params = Self::server_params(names)?;
        params.not_before = date_time_ymd(1999, 1, 1);
        params.not_after = date_time_ymd(2000, 1, 1);
        self.sign(&params)
    }

    /// A client certificate as the API server reads it: the common name is the user, each organization a group.
    pub fn client(&self, user: &str, groups: &[&str]) -> Result<CertifiedKey, CertificateError> {
        // The library keeps one value per attribute type; the same OID spelled as a custom type is a second one.
        const ORGANIZATION_OID: [u64; 4] = [2, 5, 4, 10];
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, user);
        match groups {
            [] => {}
            [one] => params
                .distinguished_name
                .push(DnType::OrganizationName, *one),
            [one, two] => {
                params
                    .distinguished_name
                    .push(DnType::OrganizationName, *one);
                let custom = DnType::CustomDnType(ORGANIZATION_OID.to_vec());
                params.distinguished_name.push(custom, *two);
            }
            more => {
                return Err(CertificateError::TooManyGroups {
                    user: user.to_owned(),
                    groups: more.len(),
                });
            }
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params)
    }

    fn server_params(names: &[&str]) -> Result<CertificateParams, CertificateError> {
        let owned: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(owned)?;
        params
            .distinguished_name
            .push(DnType::CommonName, "test server");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        Ok(params)
    }

    fn sign(&self, params: &CertificateParams) -> Result<CertifiedKey, CertificateError> {
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(CertifiedKey {
            cert_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            cert_der: certificate.der().to_vec(),
            key_der: key.serialize_der(),
        })
    }
}

impl std::fmt::Debug for TestCa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TestCa(..)")
    }
}

/// A key pair that signs service account tokens, as PEM: the private key (PKCS 8), then the public key.
pub fn signing_key_pair() -> Result<(String, String), CertificateError> {
    let key = KeyPair::generate()?;
    Ok((key.serialize_pem(), key.public_key_pem()))
}

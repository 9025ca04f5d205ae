//! The keys and certificates of a throw-away control plane: one authority, the server's certificate, the clients'. No I/O.

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};

use super::Error;

/// Whoever belongs to it may do everything, before and beside RBAC.
const ADMINISTRATORS: &str = "system:masters";
/// Where clients find the API server: from this machine, and by the names it has inside a cluster.
const SERVER_NAMES: [&str; 4] = ["127.0.0.1", "localhost", "kubernetes.default.svc", "10.0.0.1"];

/// A certificate and its key, in PEM. It opens a control plane that lives for minutes on 127.0.0.1, and still is not shown.
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: String,
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pair(…)")
    }
}

/// The authority that the API server and its clients trust.
pub(super) struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Result<Self, Error> {
        let mut params = named("dialplane-sandbox-ca", None);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        Ok(Self { certificate, issuer: Issuer::new(params, key) })
    }

    pub(super) fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// The API server's own.
    pub(super) fn server(&self) -> Result<Pair, Error> {
        let mut params = CertificateParams::new(SERVER_NAMES.map(str::to_owned))?;
        params.distinguished_name = named("kube-apiserver", None).distinguished_name;
        self.sign(params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A client that may do everything, under this name.
    pub(super) fn administrator(&self, user: &str) -> Result<Pair, Error> {
        self.sign(named(user, Some(ADMINISTRATORS)), ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(&self, mut params: CertificateParams, usage: ExtendedKeyUsagePurpose) -> Result<Pair, Error> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Pair { certificate, key: key.serialize_pem() })
    }
}

/// What ServiceAccount tokens are signed with, and what they are checked against.
pub(super) struct SigningKey {
    pub(super) private: String,
    pub(super) public: String,
}

impl SigningKey {
    pub(super) fn new() -> Result<Self, Error> {
        let key = KeyPair::generate()?;
        Ok(Self { private: key.serialize_pem(), public: key.public_key_pem() })
    }
}

fn named(name: &str, group: Option<&str>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    if let Some(group) = group {
        params.distinguished_name.push(DnType::OrganizationName, group);
    }
    params
}

//! The certificate by which metrics are served: read from two files, and again when they change. It does I/O: those files.

use std::{
    fmt, fs, io,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at. The kubelet brings a changed Secret within a minute or so.
const LOOK: Duration = Duration::from_secs(5);

/// Why the files are not a certificate with its key. Nothing of their content is said.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read {path}: {error}")]
    Read { path: PathBuf, error: io::Error },
    #[error("{path} has no {what} in PEM")]
    Pem { path: PathBuf, what: &'static str },
    #[error("{certificate} and {key} do not belong together, or are of a kind that is not supported")]
    Pair { certificate: PathBuf, key: PathBuf },
}

/// A certificate and its key, as they are now.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    now: RwLock<Loaded>,
}

/// What was read, and what it is.
struct Loaded {
    texts: [Vec<u8>; 2],
    pair: Arc<CertifiedKey>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("certificate", &self.certificate).field("key", &self.key).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads both files.
    pub fn read(certificate: PathBuf, key: PathBuf) -> Result<Arc<Self>, Error> {
        let texts = [content(&certificate)?, content(&key)?];
        let pair = pair(&certificate, &key, &texts)?;
        Ok(Arc::new(Self { certificate, key, now: RwLock::new(Loaded { texts, pair }) }))
    }

    /// What accepts connections with whatever the certificate is then.
    pub fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, rustls::Error> {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions()?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(Resolver(self.clone())));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Takes up every change of the files. What cannot be used is logged once, and the certificate before it stays.
    pub async fn follow(&self) {
        let mut told = String::new();
        loop {
            tokio::time::sleep(LOOK).await;
            match self.look() {
                Ok(changed) => {
                    told.clear();
                    if changed {
                        tracing::info!(file = %self.certificate.display(), "the certificate of the metrics has changed");
                    }
                }
                Err(error) => {
                    let error = error.to_string();
                    if error != told {
                        tracing::warn!(
                            error,
                            "the certificate of the metrics cannot be read again; the one before stays in use"
                        );
                    }
                    told = error;
                }
            }
        }
    }

    /// Whether the files have changed; then they are in use.
    fn look(&self) -> Result<bool, Error> {
        let texts = [content(&self.certificate)?, content(&self.key)?];
        if self.now.read().unwrap_or_else(PoisonError::into_inner).texts == texts {
            return Ok(false);
        }
        let pair = pair(&self.certificate, &self.key, &texts)?;
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Loaded { texts, pair };
        Ok(true)
    }
}

#[derive(Debug)]
struct Resolver(Arc<Tls>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.now.read().unwrap_or_else(PoisonError::into_inner).pair.clone())
    }
}

fn content(path: &PathBuf) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|error| Error::Read { path: path.clone(), error })
}

fn pair(certificate: &PathBuf, key: &PathBuf, [chain, private]: &[Vec<u8>; 2]) -> Result<Arc<CertifiedKey>, Error> {
    let none = |path: &PathBuf, what| Error::Pem { path: path.clone(), what };
    let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>();
    let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| none(certificate, "certificate"))?;
    let private = PrivateKeyDer::from_pem_slice(private).map_err(|_| none(key, "private key"))?;
    let provider: CryptoProvider = ring::default_provider();
    let pair = CertifiedKey::from_der(chain, private, &provider);
    pair.map(Arc::new).map_err(|_| Error::Pair { certificate: certificate.clone(), key: key.clone() })
}

#[cfg(all(test, feature = "sandbox"))]
mod tests {
    use super::*;

    struct Files {
        dir: tempfile::TempDir,
    }

    impl Files {
        fn new() -> Self {
            Self { dir: tempfile::tempdir().unwrap() }
        }

        fn paths(&self) -> [PathBuf; 2] {
            ["tls.crt", "tls.key"].map(|name| self.dir.path().join(name))
        }

        fn write(&self, [certificate, key]: &[String; 2]) {
            let paths = self.paths();
            fs::write(&paths[0], certificate).unwrap();
            fs::write(&paths[1], key).unwrap();
        }

        fn read(&self) -> Result<Arc<Tls>, Error> {
            let [certificate, key] = self.paths();
            Tls::read(certificate, key)
        }
    }

    fn issued() -> [String; 2] {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["a.test".to_owned()]).unwrap().self_signed(&key).unwrap();
        [certificate.pem(), key.serialize_pem()]
    }

    fn served(tls: &Tls) -> Vec<u8> {
        tls.now.read().unwrap().pair.cert[0].to_vec()
    }

    #[test]
    fn a_changed_pair_is_taken_and_what_is_none_leaves_the_one_before() {
        let files = Files::new();
        let (first, second) = (issued(), issued());
        files.write(&first);
        let tls = files.read().unwrap();
        let before = served(&tls);
        assert!(!tls.look().unwrap());

        // The certificate of one and the key of another, as in the middle of a change.
        files.write(&[second[0].clone(), first[1].clone()]);
        let error = tls.look().unwrap_err().to_string();
        assert!(error.contains("do not belong together"), "{error}");
        files.write(&[second[0].clone(), "hunter2".to_owned()]);
        let error = tls.look().unwrap_err().to_string();
        assert!(error.contains("tls.key has no private key") && !error.contains("hunter2"), "{error}");
        fs::remove_file(&files.paths()[0]).unwrap();
        assert!(tls.look().unwrap_err().to_string().contains("tls.crt"));
        assert_eq!(served(&tls), before);

        files.write(&second);
        assert!(tls.look().unwrap());
        assert_ne!(served(&tls), before);
    }

    #[test]
    fn without_a_pair_there_is_nothing_to_begin_with() {
        let files = Files::new();
        assert!(files.read().unwrap_err().to_string().contains("tls.crt"));
        files.write(&["none".to_owned(), issued()[1].clone()]);
        assert!(files.read().unwrap_err().to_string().contains("tls.crt has no certificate"));
    }
}

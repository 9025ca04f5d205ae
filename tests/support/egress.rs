//! The way out of a company's network, in front of a simulated carrier: a proxy, and TLS by an authority that nobody else knows. Does I/O on
//! the loopback.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use dialplane::sandbox::carrier::Sandbox;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// The name by which the proxy knows the carrier, and nobody else does.
pub const HOST: &str = "carrier.test";

/// A proxy, and what it was asked.
pub struct Egress {
    pub proxy: SocketAddr,
    /// The certificate of the authority, in PEM.
    pub authority: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Egress {
    /// One that connects to the carrier, by TLS or plainly.
    pub async fn to(sandbox: &Sandbox) -> Self {
        Self::answering(sandbox, None).await
    }

    /// One that answers whatever it is asked with this status, or connects.
    pub async fn answering(sandbox: &Sandbox, status: Option<&'static str>) -> Self {
        let (acceptor, authority) = identity();
        let (plain, heads) = (sandbox.addr(), Arc::<Mutex<Vec<String>>>::default());
        let tls = listen(move |inner: TcpStream| {
            let acceptor = acceptor.clone();
            async move {
                let (mut inner, mut outer) = (acceptor.accept(inner).await?, TcpStream::connect(plain).await?);
                copy_bidirectional(&mut inner, &mut outer).await.map(drop)
            }
        })
        .await;
        let seen = heads.clone();
        let proxy = listen(move |mut client: TcpStream| {
            let seen = seen.clone();
            async move {
                let head = head(&mut client).await?;
                seen.lock().unwrap().push(head.clone());
                if let Some(status) = status {
                    return client
                        .write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes())
                        .await;
                }
                let mut carrier = if head.starts_with("CONNECT ") {
                    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
                    TcpStream::connect(tls).await?
                } else {
                    let mut carrier = TcpStream::connect(plain).await?;
                    carrier.write_all(head.as_bytes()).await?;
                    carrier
                };
                copy_bidirectional(&mut client, &mut carrier).await.map(drop)
            }
        })
        .await;
        Self { proxy, authority, heads }
    }

    /// The heads of everything that it was asked, in small letters.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().iter().map(|head| head.to_ascii_lowercase()).collect()
    }
}

/// Serves every connection by a task of its own.
async fn listen<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    addr
}

/// The head of a request, byte by byte, so that nothing of what follows is taken.
async fn head(client: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// What proves to be [`HOST`], by an authority of its own.
fn identity() -> (TlsAcceptor, String) {
    let Issued { authority, certificate, key } = issue(HOST);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    (TlsAcceptor::from(Arc::new(config)), authority)
}

/// A certificate with its key, and the one of the authority that issued it, in PEM.
pub struct Issued {
    pub authority: String,
    pub certificate: String,
    pub key: String,
}

/// A certificate for `host`, by an authority of its own.
pub fn issue(host: &str) -> Issued {
    let mut authority = CertificateParams::new(vec![]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().unwrap();
    let pem = authority.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(authority, key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![host.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    Issued { authority: pem, certificate: certificate.pem(), key: key.serialize_pem() }
}

//! Two small web servers, so that the demonstration has something to balance.
//!
//! Each answers every request with a page that says which of the two it is and what it was sent. They listen
//! on free ports of the loopback interface, which a unit behind QEMU's router reaches as 10.0.2.2.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use evener_lab::http::{Connection, Request, Response};

/// How long a kept connection may be idle. Longer than the unit keeps one.
const IDLE: Duration = Duration::from_secs(3600);

/// Name and colour of each.
const SERVERS: [(&str, &str); 2] = [("bay", "#7a4a21"), ("grey", "#5b6770")];

/// Starts both; their ports. They run until this process ends.
pub(crate) fn start() -> Result<Vec<u16>> {
    SERVERS.into_iter().map(|(name, colour)| serve(name, colour)).collect()
}

fn serve(name: &'static str, colour: &'static str) -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("starting a demo server")?;
    let port = listener.local_addr()?.port();
    let page = Arc::new(move |request: &Request| page(name, colour, port, request));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let page = Arc::clone(&page);
            std::thread::spawn(move || converse(stream, &*page));
        }
    });
    Ok(port)
}

fn converse(stream: TcpStream, page: &dyn Fn(&Request) -> Response) {
    if stream.set_read_timeout(Some(IDLE)).is_err() {
        return;
    }
    let mut connection = Connection::new(stream);
    while let Ok(Some(request)) = connection.read_request() {
        if connection.answer(&request.method, &page(&request)).is_err() {
            return;
        }
    }
}

fn page(name: &str, colour: &str, port: u16, request: &Request) -> Response {
    let mut rows = String::new();
    for (header, value) in &request.headers {
        rows.push_str(&format!("<tr><th>{}</th><td>{}</td></tr>", escape(header), escape(value)));
    }
    let body = format!(
        "<!doctype html><html lang=en><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width\"><title>{name}</title>\
         <style>body{{font:16px system-ui,sans-serif;margin:0;color:#222}}\
         h1{{margin:0;padding:2rem;color:#fff;background:{colour}}}main{{padding:1rem 2rem}}\
         th{{text-align:left;padding-right:2rem;font-weight:600}}</style>\
         <h1>This is the server \u{201c}{name}\u{201d}</h1><main><p>Port {port}. Load this page again: \
         the balancer sends each request to the next server.</p>\
         <p>What the server was sent: {} {}</p><table>{rows}</table></main></html>\n",
        escape(&request.method),
        escape(&request.target),
    );
    let headers = vec![
        ("Content-Type".into(), "text/html; charset=utf-8".into()),
        ("X-Demo-Server".into(), name.into()),
    ];
    Response { status: 200, headers, body: body.into() }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_says_who_it_is() {
        let names: Vec<String> = start()
            .unwrap()
            .into_iter()
            .map(|port| {
                let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
                let request = Request::new("GET", "demo", "/<script>");
                let answer = Connection::new(stream).exchange(&request).unwrap();
                assert!(answer.words().contains("/&lt;script&gt;"));
                answer.header("x-demo-server").unwrap().to_owned()
            })
            .collect();
        assert_eq!(names, ["bay", "grey"]);
    }
}

//! The network that most tests need: a gateway with DHCP, two servers, a client, and a place for the unit.

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Result;
use evener_lab::{DhcpServer, Host, HostSetup, Switch};

/// Gives the unit its address.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// What the unit is given.
pub const UNIT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// The machines that do the work.
pub const SERVERS: [Ipv4Addr; 3] =
    [Ipv4Addr::new(192, 0, 2, 21), Ipv4Addr::new(192, 0, 2, 22), Ipv4Addr::new(192, 0, 2, 23)];
/// Who wants it done.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);
/// The password that [`Network::first_configuration`] sets.
pub const PASSWORD: &str = "correct horse battery staple";

/// A switch with everything but the unit plugged in.
#[derive(Debug)]
pub struct Network {
    /// The switch.
    pub switch: Switch,
    /// Where clients run.
    pub client: Arc<Host>,
    /// Where servers run, in the order of [`SERVERS`].
    pub servers: [Arc<Host>; 3],
    _gateway: Host,
    _dhcp: DhcpServer,
}

impl Network {
    /// A network whose hosts are up; no server runs yet.
    ///
    /// # Errors
    /// When the DHCP server does not start.
    pub fn new() -> Result<Self> {
        let switch = Switch::default();
        let host = |address| Host::new(&switch, HostSetup { address, prefix: 24, gateway: Some(GATEWAY) });
        let gateway = host(GATEWAY);
        let dhcp = gateway.serve_dhcp(UNIT, Ipv4Addr::new(255, 255, 255, 0))?;
        let client = Arc::new(host(CLIENT));
        let servers = SERVERS.map(|address| Arc::new(host(address)));
        Ok(Self { switch, client, servers, _gateway: gateway, _dhcp: dhcp })
    }

    /// A first configuration with one service on port 80 of the unit's own address, a real server on port 8080
    /// of each of the first `servers` hosts, and [`PASSWORD`].
    #[must_use]
    pub fn first_configuration(servers: usize) -> String {
        Self::configuration(servers, "")
    }

    /// The same for a unit whose card cuts TCP wrongly, as [`evener_board::Qemu::breaks_segmentation_offload`] tells.
    #[must_use]
    pub fn configuration_without_offload(servers: usize) -> String {
        Self::configuration(servers, "segmentation_offload = false\n")
    }

    fn configuration(servers: usize, interface: &str) -> String {
        let mut text = format!(
            "password = \"{PASSWORD}\"\nhostname = \"unit-1\"\n\n[[interfaces]]\nname = \"eth0\"\n{interface}\n\
             [[virtual_services]]\nname = \"shop\"\naddress = {{ own = \"eth0\" }}\nport = 80\n"
        );
        for address in SERVERS.iter().take(servers) {
            text.push_str(&format!(
                "[[virtual_services.real_servers]]\naddress = \"{address}\"\nport = 8080\n"
            ));
        }
        text
    }
}

package main

// defaultConfig is where a packaged vipasod keeps its configuration. It may
// be absent, as long as the environment sets the role.
const defaultConfig = "/etc/vipasod/vipasod.toml"

// The roles a device can have.
const (
	roleBusiness = "business"
	roleCustomer = "customer"
)

// The radio drivers.
const (
	driverHCI = "hci"
	driverSim = "sim"
)

// Config is the configuration of vipasod. Its tags are the format of the
// file, and the comments those of the sample that `vipasod config example`
// prints.
type Config struct {
	Role        string  `toml:"role" comment:"\"business\" for a till, \"customer\" for a device that pays. The only key that must be set."`
	DisplayName string  `toml:"display_name" comment:"Name on this device's own screens; customers see the certified name of the business."`
	Radio       Radio   `toml:"radio"`
	Store       Store   `toml:"store"`
	Backend     Backend `toml:"backend"`
	Limits      Limits  `toml:"limits"`
	GRPC        GRPC    `toml:"grpc"`
	HTTP        HTTP    `toml:"http"`
	Log         Log     `toml:"log"`
}

// Radio says which radio is used and how its service is named on the air.
type Radio struct {
	Driver      string `toml:"driver" comment:"\"hci\" is Bluetooth; \"sim\" needs none."`
	Adapter     string `toml:"adapter" comment:"hciN, or by address, which survives replugging: \"addr:00:1A:7D:DA:71:13\". Never guessed."`
	Socket      string `toml:"socket" comment:"Driver hci: socket of the radio unit; empty: vipasod starts the radio process itself."`
	SimSocket   string `toml:"sim_socket" comment:"Driver sim: socket of vipaso-demo air."`
	ServiceUUID string `toml:"service_uuid" comment:"Names on the air; all devices of one operator use the same four."`
	StatusUUID  string `toml:"status_uuid"`
	WriteUUID   string `toml:"write_uuid"`
	ReadUUID    string `toml:"read_uuid"`
}

// Store says where the device keeps its payments and keys.
type Store struct {
	Dir string `toml:"dir" comment:"store.db and the keys."`
}

// Backend bounds how soon and how often the backend is asked.
type Backend struct {
	URL      string   `toml:"url" comment:"Overrides the URL that enroll has stored."`
	Uplink   string   `toml:"uplink" comment:"Socket of the uplink unit, through which vipasod connects; empty: vipasod connects itself."`
	Splay    Duration `toml:"splay" comment:"First synchronization after a start or reconnect, at most."`
	RetryMax Duration `toml:"retry_max" comment:"Longest wait between two tries."`
}

// Limits lower the limits that the backend has signed; they never raise them.
// Amounts are decimal strings by ISO 4217 code.
type Limits struct {
	OfflinePaymentMax      map[string]string `toml:"offline_payment_max,inline" comment:"These lower the signed limits, never raise them. Largest single payment, tip included."`
	OfflineTotalMax        map[string]string `toml:"offline_total_max,inline" comment:"Largest sum that is not settled yet."`
	OfflineCounterpartyMax map[string]string `toml:"offline_counterparty_max,inline" comment:"Largest part of it with one customer, or at one till."`
	OfflineCountMax        string            `toml:"offline_count_max" comment:"Most payments that are not settled yet, such as \"50\"; empty: as signed."`
	OfflineTimeMax         Duration          `toml:"offline_time_max" comment:"Longest time without the backend; 0s: as signed."`
	OfflineVelocity        string            `toml:"offline_velocity" comment:"Most payments with one customer, or at one till, in a time, such as \"10/1h\"; empty: as signed."`
	ClockSkew              Duration          `toml:"clock_skew" comment:"How far the clock may be behind the backend's signed time."`
}

// GRPC says where the local API is served and to whom.
type GRPC struct {
	Socket string `toml:"socket"`
	Roles  Roles  `toml:"roles" comment:"Unix users and groups, as in \"user:kiosk\" or \"group:vipaso\", by what they may do: observer, cashier,\nmanager or admin. Root and the daemon's own user are admin."`
}

// Roles lists who has which role on the local API, as user:NAME or
// group:NAME. Each role includes those before it.
type Roles struct {
	Observer []string `toml:"observer,omitempty"`
	Cashier  []string `toml:"cashier,omitempty"`
	Manager  []string `toml:"manager,omitempty"`
	Admin    []string `toml:"admin,omitempty"`
}

// HTTP is the gate for browsers on this device, which this version does not
// have yet; the key is kept so that files stay valid.
type HTTP struct {
	Listen string `toml:"listen" comment:"Must be empty: this version has no gate for browsers."`
}

// Log says how much is logged.
type Log struct {
	Level string `toml:"level" comment:"debug, info, warn or error."`
}

// defaults is the configuration that applies where nothing else is said.
func defaults() Config {
	return Config{
		DisplayName: "vipasod",
		Radio: Radio{
			Driver:      driverHCI,
			ServiceUUID: "8f11af12-7361-4e72-a216-930647831153",
			StatusUUID:  "dbf8882b-260d-49ce-897e-dbdbd5afef4f",
			WriteUUID:   "13a7f011-f733-4540-9845-0f1a96707a1c",
			ReadUUID:    "bd6c820a-439b-4df1-81d0-c9669b4cb143",
		},
		Store:   Store{Dir: "/var/lib/vipasod"},
		Backend: Backend{Splay: Duration(splayDefault), RetryMax: Duration(retryDefault)},
		Limits:  Limits{ClockSkew: Duration(skewDefault)},
		GRPC:    GRPC{Socket: "/run/vipasod/vipasod.sock", Roles: Roles{Cashier: []string{"group:vipaso"}}},
		Log:     Log{Level: "info"},
	}
}

// example is the sample configuration of a role.
func example(role string) Config {
	c := defaults()
	c.Role, c.DisplayName = role, "Cafe Till 2"
	if role == roleCustomer {
		c.DisplayName = "Phone of Ann"
	}
	// Where the packaged units serve.
	c.Radio.Adapter, c.Radio.Socket = "hci1", "/run/vipasod-radio/radio.sock"
	c.Backend.Uplink = "/run/vipasod-uplink/uplink.sock"
	c.Limits.OfflinePaymentMax = map[string]string{"USD": "50.00"}
	c.Limits.OfflineTotalMax = map[string]string{"USD": "500.00"}
	c.Limits.OfflineCounterpartyMax = map[string]string{"USD": "500.00"}
	return c
}

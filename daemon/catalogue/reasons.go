// Code generated from errors.toml. DO NOT EDIT.

package catalogue

// The reasons. They are API: none is ever renamed or reused.
const (
	// AmountSyntax: The amount is not a plain decimal number.
	AmountSyntax = "AMOUNT_SYNTAX"

	// AmountPrecision: The amount has more decimals than its currency.
	AmountPrecision = "AMOUNT_PRECISION"

	// AmountRange: The amount is zero where it may not be, or larger than can be counted.
	AmountRange = "AMOUNT_RANGE"

	// AmountMismatch: The accepted amount is not the amount of the request.
	AmountMismatch = "AMOUNT_MISMATCH"

	// TipNotAllowed: The request takes no tip, or a smaller one.
	TipNotAllowed = "TIP_NOT_ALLOWED"

	// CurrencyUnknown: The currency is not an ISO 4217 code.
	CurrencyUnknown = "CURRENCY_UNKNOWN"

	// CurrencyMismatch: The currency differs from that of the request, instrument or pre-authorization.
	CurrencyMismatch = "CURRENCY_MISMATCH"

	// FieldInvalid: A field of the call breaks its rule.
	FieldInvalid = "FIELD_INVALID"

	// MessageTooLarge: A message is larger than its bound.
	MessageTooLarge = "MESSAGE_TOO_LARGE"

	// PaymentNotFound: No payment with this id is in the store of this device.
	PaymentNotFound = "PAYMENT_NOT_FOUND"

	// InstrumentNotFound: No instrument with this id belongs to this customer.
	InstrumentNotFound = "INSTRUMENT_NOT_FOUND"

	// PreauthNotFound: No pre-authorization with this id is on this device.
	PreauthNotFound = "PREAUTH_NOT_FOUND"

	// RequestIDReused: This request_id was used before with other content.
	RequestIDReused = "REQUEST_ID_REUSED"

	// RequestUnknown: An answer or a Cancel names a request that is not stored here.
	RequestUnknown = "REQUEST_UNKNOWN"

	// RequestInvalid: A signed Request cannot be used.
	RequestInvalid = "REQUEST_INVALID"

	// NotFound: What the call names does not exist.
	NotFound = "NOT_FOUND"

	// PaymentState: The payment is in a state that does not allow this.
	PaymentState = "PAYMENT_STATE"

	// NotReversible: Only a payment that this till was paid can be given back.
	NotReversible = "NOT_REVERSIBLE"

	// PaymentInProgress: The till already has an open payment.
	PaymentInProgress = "PAYMENT_IN_PROGRESS"

	// Conflict: The payment was changed by somebody else at the same moment.
	Conflict = "CONFLICT"

	// Timeout: The request ended because no customer accepted it in time.
	Timeout = "TIMEOUT"

	// User: Somebody at the till cancelled the payment.
	User = "USER"

	// Declined: The customer said no.
	Declined = "DECLINED"

	// OtherPaid: Another customer paid this request first.
	OtherPaid = "OTHER_PAID"

	// OnlineRequired: The payment had to be authorized online and the verdict did not come in time.
	OnlineRequired = "ONLINE_REQUIRED"

	// Reversal: The till gave a stored payment back.
	Reversal = "REVERSAL"

	// Refused: The till's checks refused the customer's answer.
	Refused = "REFUSED"

	// Released: Nobody claimed the voucher before settle_by.
	Released = "RELEASED"

	// RequestCancelled: The request had already been cancelled when the answer came.
	RequestCancelled = "REQUEST_CANCELLED"

	// PreauthExpired: The pre-authorization may not be spent any more: spend_by has passed.
	PreauthExpired = "PREAUTH_EXPIRED"

	// PreauthVoided: The pre-authorization was voided.
	PreauthVoided = "PREAUTH_VOIDED"

	// PreauthNotAvailable: No pre-authorization on this instrument can be spent.
	PreauthNotAvailable = "PREAUTH_NOT_AVAILABLE"

	// PreauthBound: The pre-authorization is bound to another request.
	PreauthBound = "PREAUTH_BOUND"

	// PreauthCount: The pre-authorization has reached its number of payments.
	PreauthCount = "PREAUTH_COUNT"

	// InsufficientFunds: What is left does not cover the amount.
	InsufficientFunds = "INSUFFICIENT_FUNDS"

	// NotPreauthCapable: The issuer sets no funds aside on this instrument.
	NotPreauthCapable = "NOT_PREAUTH_CAPABLE"

	// LimitPayment: The payment is above the largest one allowed offline.
	LimitPayment = "LIMIT_PAYMENT"

	// LimitTotal: The sum of what is not settled yet would exceed its limit.
	LimitTotal = "LIMIT_TOTAL"

	// LimitCount: Too many payments wait for settlement, or too many pre-authorizations are open.
	LimitCount = "LIMIT_COUNT"

	// LimitCounterparty: The sum of what is not settled yet with one device would exceed its limit.
	LimitCounterparty = "LIMIT_COUNTERPARTY"

	// LimitVelocity: There were too many offline payments with one device in a short time.
	LimitVelocity = "LIMIT_VELOCITY"

	// LimitOfflineTime: The backend has not answered for longer than this device may deal offline.
	LimitOfflineTime = "LIMIT_OFFLINE_TIME"

	// EmergencyNotSigned: The backend has signed no emergency limits for this device.
	EmergencyNotSigned = "EMERGENCY_NOT_SIGNED"

	// EmergencyUsed: The emergency has lasted as long as it may.
	EmergencyUsed = "EMERGENCY_USED"

	// LimitRate: The device has done this as often today as it may.
	LimitRate = "LIMIT_RATE"

	// WatchBehind: This watcher read too slowly and was ended.
	WatchBehind = "WATCH_BEHIND"

	// WatchExpired: The resume point is not in the event log.
	WatchExpired = "WATCH_EXPIRED"

	// NotPermitted: The caller's unix user may not do this.
	NotPermitted = "NOT_PERMITTED"

	// WrongRole: The device has the other role.
	WrongRole = "WRONG_ROLE"

	// NotEnrolled: The device has no certificate.
	NotEnrolled = "NOT_ENROLLED"

	// AlreadyEnrolled: The device is enrolled already.
	AlreadyEnrolled = "ALREADY_ENROLLED"

	// CodeInvalid: The enrollment code or token is unknown, used, expired, or for the other role.
	CodeInvalid = "CODE_INVALID"

	// KeyInUse: The key answers for another device already.
	KeyInUse = "KEY_IN_USE"

	// ProofInvalid: The signature over the enrollment does not match the keys.
	ProofInvalid = "PROOF_INVALID"

	// UnsyncedMoney: Money of this enrollment is not settled yet.
	UnsyncedMoney = "UNSYNCED_MONEY"

	// SealInvalid: What was carried is not sealed for this backend, or is damaged.
	SealInvalid = "SEAL_INVALID"

	// SealUnavailable: The backend has named no key to seal payments for.
	SealUnavailable = "SEAL_UNAVAILABLE"

	// DeviceLocked: The device signs nothing new.
	DeviceLocked = "DEVICE_LOCKED"

	// DeviceRevoked: The device's certificate was revoked.
	DeviceRevoked = "DEVICE_REVOKED"

	// Equivocation: The device signed two different vouchers at one point, or more than was set aside.
	Equivocation = "EQUIVOCATION"

	// ClockRegressed: The clock is more than 5 minutes behind a time that the backend has signed.
	ClockRegressed = "CLOCK_REGRESSED"

	// ClockFloorLowered: A fresh answer of the backend set the trusted time back.
	ClockFloorLowered = "CLOCK_FLOOR_LOWERED"

	// AdapterNotConfigured: No Bluetooth adapter is named in the configuration.
	AdapterNotConfigured = "ADAPTER_NOT_CONFIGURED"

	// AdapterMissing: The configured adapter is not there.
	AdapterMissing = "ADAPTER_MISSING"

	// AdapterBusy: Another program holds the adapter.
	AdapterBusy = "ADAPTER_BUSY"

	// AdapterPermission: The radio process may not open the adapter.
	AdapterPermission = "ADAPTER_PERMISSION"

	// AdapterRfkill: The adapter is switched off by rfkill.
	AdapterRfkill = "ADAPTER_RFKILL"

	// AdapterTimeout: The adapter did not answer in time.
	AdapterTimeout = "ADAPTER_TIMEOUT"

	// AdapterDown: The radio cannot be used at the moment.
	AdapterDown = "ADAPTER_DOWN"

	// KernelNoBluetooth: This kernel has no Bluetooth sockets.
	KernelNoBluetooth = "KERNEL_NO_BLUETOOTH"

	// NoCustomerNearby: No customer device was heard while the request was open.
	NoCustomerNearby = "NO_CUSTOMER_NEARBY"

	// LinkLost: The other device left before a voucher was sent.
	LinkLost = "LINK_LOST"

	// PeerProtocol: The other device sent something that the protocol does not allow.
	PeerProtocol = "PEER_PROTOCOL"

	// PeerIncompatible: The two devices share no protocol version.
	PeerIncompatible = "PEER_INCOMPATIBLE"

	// HandshakeFailed: The encrypted session could not be set up.
	HandshakeFailed = "HANDSHAKE_FAILED"

	// CertExpired: A certificate is not valid at this time.
	CertExpired = "CERT_EXPIRED"

	// CertInvalid: A certificate does not lead to the root key of this device.
	CertInvalid = "CERT_INVALID"

	// SignatureInvalid: A signature does not match what it is said to sign.
	SignatureInvalid = "SIGNATURE_INVALID"

	// VoucherInvalid: A voucher contradicts its certificate or itself.
	VoucherInvalid = "VOUCHER_INVALID"

	// CounterReused: This pre-authorization has shown another voucher with the same counter.
	CounterReused = "COUNTER_REUSED"

	// BundleStale: The trust bundle is too old to judge others.
	BundleStale = "BUNDLE_STALE"

	// BundleEpoch: The trust bundle is older than the customer's certificate asks for.
	BundleEpoch = "BUNDLE_EPOCH"

	// Offline: The backend did not answer.
	Offline = "OFFLINE"

	// Overloaded: The backend asks to come back later.
	Overloaded = "OVERLOADED"

	// BackendRejected: The backend refused the call for a reason of its own.
	BackendRejected = "BACKEND_REJECTED"

	// BackendUntrusted: The backend's certificate is not signed by the CA of this device.
	BackendUntrusted = "BACKEND_UNTRUSTED"

	// Exhausted: Nothing was left of the pre-authorization when this claim came.
	Exhausted = "EXHAUSTED"

	// TooLate: The claim arrived after settle_by.
	TooLate = "TOO_LATE"

	// ChargeWindow: A charge came without an open payment, or more than 10 minutes after the till had opened it.
	ChargeWindow = "CHARGE_WINDOW"

	// ReceiptMissing: A voucher or charge was handed in without the receipt of the till.
	ReceiptMissing = "RECEIPT_MISSING"

	// ClaimConflict: The request was claimed before with another voucher.
	ClaimConflict = "CLAIM_CONFLICT"

	// SyncMismatch: Device and backend count a batch differently.
	SyncMismatch = "SYNC_MISMATCH"

	// VerdictUnexpected: A verdict does not fit what this device knows of the payment.
	VerdictUnexpected = "VERDICT_UNEXPECTED"

	// StoreCorrupt: The store is damaged.
	StoreCorrupt = "STORE_CORRUPT"

	// StoreNewer: The store was written by a newer version of vipasod.
	StoreNewer = "STORE_NEWER"

	// StoreFull: The disk is full.
	StoreFull = "STORE_FULL"

	// StoreReadOnly: The store takes no writes.
	StoreReadOnly = "STORE_READ_ONLY"

	// StoreLocked: Another process uses the store.
	StoreLocked = "STORE_LOCKED"

	// SocketInUse: Another daemon answers on this socket.
	SocketInUse = "SOCKET_IN_USE"

	// MigrationFailed: The store could not be brought to this version.
	MigrationFailed = "MIGRATION_FAILED"

	// StoreInconsistent: The store contradicts itself.
	StoreInconsistent = "STORE_INCONSISTENT"

	// KeyUnusable: A key file is missing, unreadable, or not the one that was enrolled.
	KeyUnusable = "KEY_UNUSABLE"

	// KeyExposed: Others on this computer may use a key of this device.
	KeyExposed = "KEY_EXPOSED"

	// ConfigInvalid: The configuration has an error.
	ConfigInvalid = "CONFIG_INVALID"

	// DaemonUnreachable: vipasod does not answer on its socket.
	DaemonUnreachable = "DAEMON_UNREACHABLE"

	// Cancelled: The caller gave up.
	Cancelled = "CANCELLED"

	// Deadline: The caller's deadline passed.
	Deadline = "DEADLINE"

	// Internal: An error that vipasod has no name for.
	Internal = "INTERNAL"
)

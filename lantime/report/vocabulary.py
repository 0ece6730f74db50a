"""What may stand in a device report: technical words, and forms that tell nothing about whose device it is.

Everything else is masked, so a word that is missing here costs a reader something, and its owner nothing. Names of
people, places, firms and networks have no place in this file.
"""

import re

_WORDS = """
above accepted accurate acquire acquired acquiring action active adjusted afnor after agc agr alarm allan allowed am
amount amplitude analog and ann announced antenna any api asymmetry at atom auto available avar average backplane
backup bad bandwidth base battery baud baudrate bcd before begin below bias bit bits bonding boot bpe bus by cal
calibrated calibration capacity capture captured card carrier cause cet change changed changes channel chassis check
checksum circuit class clk clock cluster cmd code coded codes cold color colour com compensation computime config
configuration configured connected connection connections consistent control correct correction correlation count
counter cpe cpu cpuload crc critical ctq ctrl current currents cycle cyclic dac data date day daylight days dc dcf
dcls dead debug dec decay decode decoded decoder default delay depth description detected detection dev deviation
device dhq diff digital disable disabled discarded discipline disconnect dl down doy drift dropped dst dtr duplex
duration duty early easter edge elapsed emulation enable enabled enb encoder encoding end ended erlangen error
errors esi est estimated event events exceeded exceeds expected expired ext extended external factor fail failed
failure falling false fan fault faulty fdm features field fields figure filter fine firmware fixed flag flags flash
flashing float for force format found frame frames framing free freer freq freqin freqout frequency from front ftp
full function functions fw gain gal galileo generator gga glitch global glonass gnm gns gnss good gpio gps grc green
group grouped gxl half hardware havequick hdop health high hold holdover hour hours hps hpsync hq http https hz
icode icodes id idle ids idx ieee if iftm ignore image in inconsistent index info information init initialised
initialized initializing input inputs inside inst instance int interface interfaces internal interval invalid
inverted invt io ion irig irigb is iso itu jitter jump khz kind lan language large last lasted latch layout leap
leapsecond led leds length less level levels light like limit limits link links list liu lno load local lock locked
locks long longwave loop loops loss lost low lower lq ls lsg ltc lw manual mark marker markers marks mask master
match max maximum mdev mean measured median meinberg memory merit message messages mez mhz microseconds milliseconds
min minimum minute minutes mismatch missing mjd mode model modulation module modules modulus mon more mq mri mrs ms
msec msf mtie mtu multi nanoseconds nasa neg negative net network never new next nf nmea no noise nominal none
normal not notification notifications notsync nr ns nsec ntp null number object ocxo of off offs offset offsets ok
on only oob operation option options or orientation osc oscillator other out outage outages output outputs outside
over overflow overrun parallel param parameter parity part pcps peak peer pending per percent period permanent pex
phase phases pin pio pll pole poll polled port ports position positive power pps precise precision present previous
prio priority programmable progress protocol psu ptp ptti pulse pulses pwr pzf quality quantity queue racal ram
range rate raw reach reacquire read ready reboot receive received receiver receivers reconnect recovered red
redundancy ref refclk refclock reference refid rejected rel relock remaining remote report reported request reserved
reset resolution responding response rest restart result revision rising rmc rms role rsc rtc rubidium running rx
sat satellite satellites saving sbs scale scg score scu sdi search searching sec second seconds section select
selected selection self send sensor sensors sent sequence serial service services set setting settings settled shift
short shot shs sig sigma sign signal simulator since single size slave slope slot slots slow smooth snmp soc
software source sources spa speed spread spt sq ssh ssm stable stage stamp standard start started startup state
states static statistics status std step steps stop stopped stops stratum strength string strings strong subframe
substatus sum super supply support supported suppressed symbol symbols sync syncd synce synchronisation synchronised
synchronization synchronize synchronized syncmon syncteam synth synthesizer sys sysconf syslog sysplex system tai
takeover tc tcap tcp tcr tcxo tdev team telegram telegrams telnet temp temperature test text tfom than the threshold
time timebase timecode timed timeout timeouts timer timestamp timing tm to toggled total tracking traffic transfer
transmit triggered trim trs true trusted tune tuning tx txc type types udp un uncertainty under underrun uni
uninitialised unit unknown unlock unlocked unstable up update updated upper uptime us usb use usec used utc val
valid validity value values var variance vcxo version vertical via video view violated virtual vlan volt voltage
voltages vsg vsi waiting warm warmed warming warning was watchdog wave weak width window with word words wrong wwvb
xhe xhq xmr xtal year years yellow zda zero zone
"""
WORDS = frozenset(_WORDS.split())
"""Words of the trade, in lower case: as keys, and as the parts of what is between hyphens in a value."""

_SENSITIVE = """
account addr address alias alt altitude cert certificate city command comment community company contact coordinate
coordinates country dms dns domain ecef email file fingerprint gateway geo host hostname ip issuer key keys label
lat latitude lla location login lon longitude mac mail name names note owner passphrase passwd password path place
position secret serial server servers site subject token uri url user username users xyz
"""
SENSITIVE = frozenset(_SENSITIVE.split())
"""Words in a key below which nothing is kept, be it a number or a word of the trade."""

HARMLESS_KEYS = frozenset({"slot-position", "serial-ports"})
"""Keys that only look sensitive: where a slot is in the front, and the ports that send time strings."""

NAMING_KEYS = frozenset({"object-id", "id", "name", "key", "type", "label"})
"""Keys whose text says what the object is about: ``{"object-id": "latitude", "value": …}`` is about a position."""

_EXACT = """
7e1 7e2 7n2 7o1 7o2 8e1 8n1 8n2 8o1 a0xx a1xx afnor-nf-s87-500 afnor-nf-s87-500-dcls b0xx b1xx b220-1344-dcls
c37.118 c37.118-dcls dcf77-like-m59 g00x g14x ieee1344 ieee1344-dcls ptp-ieee1588
"""
EXACT = frozenset(_EXACT.split())
"""Words of the trade that are not made of the others."""

CODE = r"[abceg]\d{3}"
"""Time codes as in ``b122``."""

_VERSION = r"(LANTIME REST API )?[Vv]?(fw_)?\d{1,3}(\.\d{1,3}){0,2}(-light)?"
_DATE = r"\d{4}[-.]\d{2}[-.]\d{2}([T ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?)?( UTC|Z)?"

FORMS: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = tuple(
    (re.compile(key), re.compile(form))
    for key, form in (
        (r"(api[- ]|software-|backplane-)?(version|revision)|firmware-image", _VERSION),
        (r"model", r"[Mm]\d{3,4}[Ss]?|[Cc]\d{2}[a-z]\d(-v\d{1,2})?"),
        (r"slot-position|slot-layout", r"\d{1,2}(,\d{1,2}){1,2}"),
        (r".*(time|date|update|triggered|changed?).*", _DATE),
        (r"(ctrl|control)-bits|state|status|flags|pcps", r"0[xX][0-9a-fA-F]{1,8}"),
        (r".*", r"-?\d{1,3}(\.0)?"),
    )
)
"""Key (in lower case, known and not sensitive) to the form that a text under it may have."""

# A wire of its own, tap9: each line of the input sends two datagrams on it, the first with a tag of 802.1Q (VLAN 123, priority 3).
import fcntl, os, socket, struct, sys

TUNSETIFF, SIOCGIFFLAGS, SIOCSIFFLAGS = 0x400454CA, 0x8913, 0x8914
IFF_TAP, IFF_NO_PI, IFF_UP = 2, 0x1000, 1
wire = os.open('/dev/net/tun', os.O_RDWR)
fcntl.ioctl(wire, TUNSETIFF, struct.pack('16sH14x', b'tap9', IFF_TAP | IFF_NO_PI))
asked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
flags = struct.unpack_from('H', fcntl.ioctl(asked, SIOCGIFFLAGS, struct.pack('16s16x', b'tap9')), 16)[0]
fcntl.ioctl(asked, SIOCSIFFLAGS, struct.pack('16sH14x', b'tap9', flags | IFF_UP))


def datagram(payload):
    udp = struct.pack('!4H', 1000, 2000, 8 + len(payload), 0) + payload
    head = struct.pack('!BBHHHBB', 0x45, 0, 20 + len(udp), 1, 0, 64, socket.IPPROTO_UDP)
    ends = socket.inet_aton('10.0.0.1') + socket.inet_aton('10.0.0.2')
    total = sum(struct.unpack('!9H', head + ends))
    total = (total & 0xFFFF) + (total >> 16)
    return head + struct.pack('!H', ~(total + (total >> 16)) & 0xFFFF) + ends + udp


addresses = b'\xff' * 6 + b'\x02\0\0\0\0\x01'
print('ready')
for _ in sys.stdin:
    os.write(wire, addresses + struct.pack('!HHH', 0x8100, 3 << 13 | 123, 0x0800) + datagram(b'tagged'))
    os.write(wire, addresses + struct.pack('!H', 0x0800) + datagram(b'plain'))

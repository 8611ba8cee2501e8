package cluster

import (
	"errors"
	"net"
	"slices"
	"strings"
	"syscall"
)

// Unreached adds a broker's address to the error of a request to that broker, if the time ran out before there was a
// connection. It does not change any other error. By the address, Explain can say whether the cluster advertises it.
func (c Config) Unreached(address string, err error) error {
	if _, named := errors.AsType[*unreached](err); named || !IsTimeout(err) {
		return err
	}
	return c.unreached(address, err)
}

// explainNetwork explains why a broker cannot be reached.
func explainNetwork(err error) *Error {
	for _, sign := range []string{"invalid large response size", "beginning of an HTTP response"} {
		if strings.Contains(err.Error(), sign) {
			return &Error{Kind: NotKafka, Text: "what listens there is not a Kafka broker"}
		}
	}
	if to, ok := errors.AsType[*unreached](err); ok && !to.bootstrap {
		if e := explainAdvertised(to.address, err); e != nil {
			return e
		}
	}
	dns, isDNS := errors.AsType[*net.DNSError](err)
	switch late := IsTimeout(err); {
	case isDNS && dns.IsNotFound:
		return &Error{Kind: HostUnknown, Text: "the broker's host name " + dns.Name + " is unknown"}
	case isDNS:
		return &Error{Kind: HostLookupFailed, Text: "the name server did not say where the broker " + dns.Name + " is: check that names can be looked up from here"}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &Error{Kind: ConnectionRefused, Text: "no broker listens there"}
	case isUnreachable(err):
		return &Error{Kind: NetworkUnreachable, Text: "the network does not lead to the broker: check the routes"}
	case late && Code(err) != 0:
		return &Error{Kind: NoUsableAnswer, Text: "the brokers answered until the time was over, but not as they must: look into their logs for the last answer"}
	case late:
		return &Error{Kind: NoAnswer, Text: "no broker answered in time: check the firewall, and that the addresses that the brokers advertise can be reached from here"}
	}
	return nil
}

// explainAdvertised explains why an address cannot be reached that the cluster advertises.
func explainAdvertised(address string, err error) *Error {
	problem := ""
	switch dns, isDNS := errors.AsType[*net.DNSError](err); {
	case isDNS && dns.IsNotFound:
		problem = "its host name is unknown here"
	case isDNS:
		return nil
	case errors.Is(err, syscall.ECONNREFUSED):
		problem = "nobody listens there"
	case isUnreachable(err), IsTimeout(err):
		problem = "it cannot be reached from here"
	default:
		return nil
	}
	return &Error{Kind: AddressAdvertised, Text: "the cluster advertises the broker " + address + ", and " + problem +
		": the broker is down, or its advertised.listeners must name an address that can be reached from here"}
}

func isUnreachable(err error) bool {
	return slices.ContainsFunc([]error{syscall.ENETUNREACH, syscall.EHOSTUNREACH}, func(e error) bool { return errors.Is(err, e) })
}

package cluster

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// ValidateBrokers returns an error if a bootstrap broker is not host:port. The error is an ErrConfiguration. It names the
// broker by its number in the list, from 1, and does not quote it, because a URL may hold a password.
func ValidateBrokers(brokers []string) error {
	for i, broker := range brokers {
		if err := validateBroker(broker); err != nil {
			return wrong(BrokersInvalid, "number %d of the bootstrap brokers %v", i+1, err)
		}
	}
	return nil
}

// validateBroker returns an error that says what is wrong with an address that is not host:port.
func validateBroker(address string) error {
	host, port, err := net.SplitHostPort(address)
	switch {
	case address == "":
		return errors.New("is empty")
	case strings.Contains(address, "://"):
		return errors.New("has a scheme, like that of a URL")
	case strings.ContainsAny(address, "\r\n"):
		return errors.New("has a line break")
	case strings.ContainsAny(address, "'\"`"):
		return errors.New("has quotes")
	case strings.ContainsAny(address, " \t"):
		return errors.New("has a blank within")
	case err != nil && !strings.Contains(address, ":"):
		return errors.New("has no port")
	case err != nil:
		return errors.New("is not a host and a port")
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
		return errors.New("has a port that is not a number from 1 to 65535")
	}
	if ip, err := netip.ParseAddr(host); err == nil && (ip.Is4() || strings.HasPrefix(address, "[")) {
		return nil
	}
	if host == "" || strings.HasPrefix(address, "[") || strings.Trim(host, hostCharacters) != "" {
		return errors.New("has no valid host name")
	}
	return nil
}

const hostCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

#!/usr/bin/env python3
"""places.csv -> networks.csv + lists/*.txt: invented networks of real shape in reserved address space.

Deterministic: every draw is a SHA-256 of its own key, so that no row depends on another's and no library's
random generator has a say. Run it after a change of places.csv, then build the databases (README.md).
"""

import csv
import hashlib
import ipaddress
import pathlib

HERE = pathlib.Path(__file__).parent
SYLLABLES = "ba be bo da del do fa fen go ha hel ka kel la len lo ma mer mo na nel no pa per ra ren ro sa sel ta tor va ven zu".split()
FIXED_WORDS = ["Broadband", "Fiber", "Cable", "Telecom"]
FIXED_RADII = [5] * 3 + [10] * 5 + [20] * 7 + [50] * 4 + [100]
MOBILE_RADII = [200, 200, 300, 500, 1000]


def draw(count, *key):
    """A number below `count`, always the same for the same key."""
    text = "\x00".join(str(part) for part in key)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % count


def pick(items, *key):
    return items[draw(len(items), *key)]


class Names:
    """Invented names, none twice."""

    def __init__(self):
        self.used = set()

    def new(self, *key):
        for attempt in range(100):
            stem = "".join(pick(SYLLABLES, "name", *key, attempt, part) for part in range(3)).capitalize()
            if stem not in self.used:
                self.used.add(stem)
                return stem
        raise SystemExit(f"no name left for {key}")


class Space:
    """Gives out aligned networks of a range, one after the other."""

    def __init__(self, network):
        self.network = ipaddress.ip_network(network)
        self.next = int(self.network.network_address)

    def take(self, prefix):
        size = 1 << (self.network.max_prefixlen - prefix)
        start = -(-self.next // size) * size
        self.next = start + size
        if self.next - 1 > int(self.network.broadcast_address):
            raise SystemExit(f"{self.network} is full")
        return ipaddress.ip_network((start, prefix))


class Builder:
    def __init__(self, places):
        self.cities = [place for place in places if place["city"]]
        self.coarse = [place for place in places if not place["city"]]
        self.rows, self.lists = [], {}
        self.names = Names()
        # Class E for access networks, the benchmark range for data centres.
        self.access, self.centre = Space("240.0.0.0/4"), Space("198.18.0.0/15")
        self.access6, self.centre6 = Space("2001:db8::/33"), Space("2001:db8:8000::/33")
        self.access_asn, self.centre_asn = iter(range(64512, 65535)), iter(range(4200000000, 4294967295))

    def add(self, network, asn, organization, kind, place, radius_km):
        self.rows.append((network, asn, organization, kind, place["place"], radius_km))

    def list(self, name, entry, note=""):
        self.lists.setdefault(name, []).append((str(entry), note))

    def countries(self):
        by_country = {}
        for city in self.cities:
            by_country.setdefault(city["country"], []).append(city)
        return sorted(by_country.items())

    def documentation(self):
        """The documentation networks, by hand: addresses easy to remember in examples and tests."""
        places = {place["place"]: place for place in self.cities}
        asn, name = next(self.access_asn), "Example Broadband"
        mobile_asn, vpn_asn, tor_asn = next(self.access_asn), next(self.centre_asn), next(self.centre_asn)
        fixed = [
            ("192.0.2.0/26", "oslo-no"), ("192.0.2.64/26", "bergen-no"), ("192.0.2.128/26", "stockholm-se"),
            ("198.51.100.0/26", "new-york-us"), ("198.51.100.64/26", "san-francisco-us"),
            ("198.51.100.128/26", "london-gb"), ("203.0.113.0/26", "sydney-au"), ("203.0.113.64/26", "tokyo-jp"),
        ]
        for network, place in fixed:
            self.add(network, asn, name, "fixed", places[place], 10)
        self.add("192.0.2.192/26", mobile_asn, "Example Mobile", "mobile", places["oslo-no"], 500)
        self.add("198.51.100.192/26", vpn_asn, "Example VPN", "vpn", places["amsterdam-nl"], 20)
        self.add("203.0.113.128/26", tor_asn, "Example Hosting", "tor", places["frankfurt-am-main-de"], 20)
        self.add("203.0.113.192/26", tor_asn, "Example Hosting", "hosting", places["ashburn-us"], 20)
        self.list("mobile", f"AS{mobile_asn}", "Example Mobile")
        self.list("vpn", "198.51.100.192/26", "Example VPN")
        self.list("tor", "203.0.113.128/26", "Example Hosting")
        self.list("hosting", f"AS{tor_asn}", "Example Hosting")

    def fixed(self, country, cities):
        """National access providers: two everywhere, up to two more where many live."""
        people = sum(int(city["weight"]) for city in cities)
        largest = max(cities, key=lambda city: int(city["weight"]))
        self.providers = []
        for number in range(2 + (people >= 30) + (people >= 300)):
            word = FIXED_WORDS[number]
            provider = (next(self.access_asn), f"{self.names.new(country, 'fixed', number)} {word} {country}")
            self.providers.append(provider)
            for city in cities:
                weight = int(city["weight"])
                if number >= 2 and weight < 10 and city is not largest:
                    continue
                for block in range(1 + (weight >= 8) + (weight >= 40) + (weight >= 120)):
                    key = (country, number, city["place"], block)
                    network = self.access.take(pick([20, 20, 21, 22], "prefix", *key))
                    self.add(network, *provider, "fixed", city, pick(FIXED_RADII, "radius", *key))
                if number == 0 or (number == 1 and weight >= 20):
                    radius_km = pick([20, 50, 100], "radius6", country, number, city["place"])
                    self.add(self.access6.take(44), *provider, "fixed", city, radius_km)
        for place in self.coarse:
            if place["country"] == country:
                radius_km = 200 if place["region"] else 1000
                self.add(self.access.take(22), *self.providers[0], "fixed", place, radius_km)

    def mobile(self, country, cities):
        """Carriers: all customers of the country come out at the gateways of one to three hub cities."""
        people = sum(int(city["weight"]) for city in cities)
        hubs = sorted(cities, key=lambda city: (-int(city["weight"]), city["place"]))
        hubs = hubs[: 1 + (len(cities) >= 5) + (len(cities) >= 9)]
        for number in range(1 + (people >= 15)):
            word = ["Mobile", "Wireless"][number]
            asn, name = next(self.access_asn), f"{self.names.new(country, 'mobile', number)} {word} {country}"
            radius_km = pick(MOBILE_RADII, "mobile", country, number)
            for hub in hubs:
                self.add(self.access.take(18), asn, name, "mobile", hub, radius_km)
                self.add(self.access6.take(44), asn, name, "mobile", hub, radius_km)
            self.list("mobile", f"AS{asn}", name)

    def proxies(self, country, cities):
        """Residential proxies: customers' lines of an access provider, let out. A third is on no list."""
        people = sum(int(city["weight"]) for city in cities)
        for number in range((people >= 20) + (people >= 150)):
            city = pick(cities, "proxy", country, number)
            provider = self.providers[number]
            network = self.access.take(24)
            self.add(network, *provider, "proxy", city, pick([10, 20, 50], "proxy radius", country, number))
            if draw(3, "proxy listed", country, number):
                self.list("proxy", network, provider[1])

    def hosting(self):
        big = [city for city in self.cities if int(city["weight"]) >= 30 or city["place"] == "ashburn-us"]
        for number in range(16):
            asn, name = next(self.centre_asn), f"{self.names.new('hosting', number)} {['Hosting', 'Cloud'][number % 2]}"
            for city in big:
                if draw(8, "hosting", number, city["place"]) == 0:
                    self.add(self.centre.take(24), asn, name, "hosting", city, 20)
                    self.add(self.centre6.take(48), asn, name, "hosting", city, 20)
            self.list("hosting", f"AS{asn}", name)

    def vpn(self):
        """A quarter of the exits is on no list."""
        big = [city for city in self.cities if int(city["weight"]) >= 5]
        for number in range(8):
            asn, name = next(self.centre_asn), f"{self.names.new('vpn', number)} VPN"
            for city in big:
                if draw(14, "vpn", number, city["place"]) == 0:
                    network = self.centre.take(26)
                    self.add(network, asn, name, "vpn", city, 20)
                    if draw(4, "vpn listed", number, city["place"]):
                        self.list("vpn", network, name)

    def tor(self):
        big = [city for city in self.cities if int(city["weight"]) >= 10]
        for number in range(6):
            asn, name = next(self.centre_asn), f"{self.names.new('tor', number)} Hosting"
            for city in big:
                if draw(30, "tor", number, city["place"]) == 0:
                    network = self.centre.take(29)
                    self.add(network, asn, name, "tor", city, 20)
                    self.list("tor", network, name)
            self.list("hosting", f"AS{asn}", name)

    def corporate(self):
        big = [city for city in self.cities if int(city["weight"]) >= 4]
        for number in range(48):
            asn, name = next(self.centre_asn), f"{self.names.new('corporate', number)} Industries"
            for office in range(1 + draw(5, "offices", number)):
                city = pick(big, "office", number, office)
                self.add(self.access.take(24), asn, name, "corporate", city, pick([5, 10, 20], "office radius", number, office))

    def satellite(self):
        """Ships, aeroplanes and remote sites: the database knows a ground station or a country at best."""
        places = {place["place"]: place for place in self.cities + self.coarse}
        stations = ["country-us", "country-gb", "country-au", "country-no", "frankfurt-am-main-de", "lima-pe"]
        for number in range(3):
            asn, name = next(self.centre_asn), f"{self.names.new('satellite', number)} Satellite"
            for station in stations[number::2]:
                self.add(self.access.take(22), asn, name, "satellite", places[station], 1000)
                self.add(self.access6.take(44), asn, name, "satellite", places[station], 1000)
            self.list("satellite", f"AS{asn}", name)

    def hostile(self):
        """Networks whose only use is attack; none of the other lists has them."""
        big = [city for city in self.cities if int(city["weight"]) >= 20]
        for kind, count in [("malicious", 12), ("threat-actor", 6)]:
            asn, name = next(self.centre_asn), f"{self.names.new(kind)} Datacenter"
            for number in range(count):
                network = self.centre.take(27)
                self.add(network, asn, name, "hosting", pick(big, kind, number), 50)
                self.list(kind, network, name)

    def build(self):
        self.documentation()
        for country, cities in self.countries():
            self.fixed(country, cities)
            self.mobile(country, cities)
            self.proxies(country, cities)
        for part in (self.hosting, self.vpn, self.tor, self.corporate, self.satellite, self.hostile):
            part()


def main():
    with open(HERE / "places.csv", encoding="utf-8", newline="") as file:
        builder = Builder(list(csv.DictReader(file)))
    builder.build()
    with open(HERE / "networks.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow("network asn organization kind place accuracy_radius_km".split())
        writer.writerows(builder.rows)
    (HERE / "lists").mkdir(exist_ok=True)
    for name, entries in sorted(builder.lists.items()):
        with open(HERE / "lists" / f"{name}.txt", "w", encoding="utf-8", newline="") as file:
            file.write(f"# Test data: networks of kind {name}, made by generate.py. Reserved addresses, invented names.\n")
            file.writelines(f"{entry:<20}# {note}\n" for entry, note in entries)


if __name__ == "__main__":
    main()

"""Commodity prices as an exchange's feed would carry them: realistic sizes and entropy, the same for the same seed."""

import json
import random

_COMMODITIES = (
    # symbol, name, unit, exchange, a typical price in USD, its smallest step
    ("XAU", "Gold", "troy ounce", "COMEX", 2650.0, 0.1),
    ("XAG", "Silver", "troy ounce", "COMEX", 31.2, 0.005),
    ("HG", "Copper", "pound", "COMEX", 4.15, 0.0005),
    ("PL", "Platinum", "troy ounce", "NYMEX", 968.0, 0.1),
    ("CL", "WTI crude oil", "barrel", "NYMEX", 71.3, 0.01),
    ("BRN", "Brent crude oil", "barrel", "ICE", 75.1, 0.01),
    ("NG", "Natural gas", "MMBtu", "NYMEX", 3.27, 0.001),
    ("ZC", "Corn", "bushel", "CBOT", 4.32, 0.0025),
    ("ZW", "Wheat", "bushel", "CBOT", 5.51, 0.0025),
    ("ZS", "Soybeans", "bushel", "CBOT", 9.87, 0.0025),
    ("KC", "Coffee", "pound", "ICE", 2.94, 0.0005),
    ("SB", "Sugar", "pound", "ICE", 0.2134, 0.0001),
)


def payloads(seed: str, size: int, count: int) -> list[bytes]:
    """The inside of `count` JSON objects and the closing brace, each of `size` bytes, filled up with blanks.

    Raises:
        ValueError: `size` is too small for a price.
    """
    chance = random.Random(seed)
    prices = {commodity[0]: commodity[4] for commodity in _COMMODITIES}
    made = []
    for _ in range(count):
        symbol, name, unit, exchange, _typical, step = chance.choice(_COMMODITIES)
        prices[symbol] *= 1 + chance.gauss(0, 0.0005)
        price = round(round(prices[symbol] / step) * step, 4)
        content = {
            "symbol": symbol,
            "price": price,
            "currency": "USD",
            "exchange": exchange,
            "volume": chance.randint(1, 500),
            "unit": unit,
            "name": name,
        }
        text = json.dumps(content, separators=(",", ":"))[1:].encode()
        if len(text) > size:
            raise ValueError(f"a price takes {len(text)} bytes, and a record has {size} for it")
        made.append(text.ljust(size))
    return made

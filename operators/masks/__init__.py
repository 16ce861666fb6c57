"""Where stamps may lie: masks and regions, their properties, their buttons, their pixels."""

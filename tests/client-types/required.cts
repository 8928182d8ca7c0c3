// For who still writes require().
import pgherald = require('pgherald');
import react = require('pgherald/react');

const herald: pgherald.Client = pgherald.connect({ canonical: 'x' });
const use: typeof react.useStatus = react.useStatus;
void [herald, use];

/** For `node --import`: what Electron gives a utility process to speak with the main process, over Node's own channel to its parent. */
process.parentPort = { postMessage: (message) => process.send(message), on: (event, listener) => process.on(event, (data) => listener({ data })) };

"""The messaging framework of interapp: messages, handlers, the handler table, transports. It knows no device."""
